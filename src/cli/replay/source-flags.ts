import { type Command, Option } from 'commander';

/** Adds the flags that say how lines of a file are read as events. */
export function addSourceFlags(command: Command): Command {
  return command
    .option('--time <expression>', 'event time: RFC 3339 text or milliseconds since 1970')
    .option('--type <expression>', 'type of the event')
    .option('--id <expression>', 'id of the event (default: the line number)')
    .option('--where <expression>', 'leaves out events for which it is not true')
    .option('--each <expression>', 'makes each item of a list an event')
    .option(
      '--disorder <duration>',
      'how far out of order events may come: they are sorted, and what comes later is late',
    )
    .option('--watermark-per <expression>', "whose clock an event's time is by, such as event.host")
    .addOption(new Option('--format <format>', 'encoding of a line').choices(['auto', 'json', 'cloudevents']));
}

/** For a flag that may be given again. */
export const collect = (value: string, before: readonly string[] | undefined): readonly string[] => [
  ...(before ?? []),
  value,
];
