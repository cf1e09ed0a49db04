import { parseDeadLetterId } from '../../core/events/dead-letter-id.ts';
import type { SourceMessage } from '../../core/events/decoded.ts';
import { decodeLaneStart } from '../../core/shards/lane-start.ts';
import { Numbering } from '../../core/shards/numbering.ts';
import type { Subjects } from '../../core/shards/subjects.ts';
import { allStreams, storedMessage } from '../../nats/inspect.ts';
import type { NatsLink } from '../../nats/link.ts';
import type { FencedLog } from '../../ports/log.ts';
import type { Catalog, FoundLetter } from './catalog.ts';

/** The message that a dead letter is about, and where it was found. */
export type Original =
  | { readonly kind: 'found'; readonly message: SourceMessage; readonly from: string }
  /** `why`: a sentence with the way out. */
  | { readonly kind: 'gone'; readonly why: string };

interface Places {
  readonly link: NatsLink;
  readonly log: FencedLog;
  readonly subjects: Subjects;
  readonly catalog: Catalog;
}

/**
 * The original of a letter: from the letter itself, else from the letter that has its message's bytes, else from the
 * source's stream, if that is still the one that was read and still has the message.
 */
export async function originalOf(found: FoundLetter, places: Places): Promise<Original> {
  const own = originalIn(found, 'the dead letter');
  if (own !== undefined) return own;
  const id = parseDeadLetterId(found.id);
  if (id?.kind === 'lane') {
    const other = await places.catalog.withBytesOf(id);
    const first = other && originalIn(other, `the dead letter ${other.id}`);
    if (first !== undefined) return first;
  }
  return fromSource(found, places);
}

function originalIn({ letter }: FoundLetter, from: string): Original | undefined {
  const { body, headers, sequence, subject, time, omitted } = letter;
  if (body === undefined || omitted.includes('headers')) return undefined;
  // The lane's letters have the message's own time.
  return { kind: 'found', message: { sequence, stamp: time, subject, headers, body }, from };
}

async function fromSource({ letter }: FoundLetter, { link, log, subjects }: Places): Promise<Original> {
  const { source, sequence } = letter;
  if (source === '') return { kind: 'gone', why: 'It names no event.' };
  const start = await log.last(subjects.laneStart(source));
  if (start === undefined) return { kind: 'gone', why: `No lane has read the source ${source} in this deployment.` };
  // A letter of a rule does not name the stream, and a name may since be another stream's; the creation is neither's.
  const { created, renumberings } = decodeLaneStart(start.body);
  const stream = (await allStreams(link)).find((one) => one.created === created);
  if (stream === undefined) {
    return {
      kind: 'gone',
      why: `The stream of the source ${source} is gone or was made anew${letter.stream && ` (it was ${letter.stream})`}. Publish the event again.`,
    };
  }
  const numbering = new Numbering(renumberings);
  const stored = numbering.streamSequence(sequence);
  // A message that the stream had before it was made anew, or lost its tail, has no sequence in it any more.
  const holds = stored > 0 && numbering.laneNumber(stored) === sequence;
  const message = holds ? await storedMessage(link, stream.name, { seq: stored }) : undefined;
  // Its place is the lane's: the events that come of it have the numbers that they had.
  if (message !== undefined) return { kind: 'found', message: { ...message, sequence }, from: `stream ${stream.name}` };
  return {
    kind: 'gone',
    why: `Stream ${stream.name} no longer holds message ${sequence}; it begins at ${stream.firstSequence}. Publish the event again.`,
  };
}
