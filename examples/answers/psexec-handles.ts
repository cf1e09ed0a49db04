import { list, output, processRule, source } from 'corral/rules';

interface Handle {
  readonly seq: number;
  readonly host: string;
  readonly HandleId: string;
  readonly ProcessId: string;
}

/** Handles have no end but their close, so what is open waits without a limit of time. */
const of = (type: string) =>
  source<Handle>('hosts', {
    type,
    where: (event) => event.HandleId !== '0x0',
    key: [(event) => event.host, (event) => event.HandleId, (event) => event.ProcessId],
  });

/** A handle's close belongs to the oldest open of the same host, handle and process that no close has taken. */
export default processRule({
  rule: 'psexec-handles',
  from: { opened: of('security-4656'), closed: of('security-4658') },
  state: { open: list<{ seq: number; time: number }>() },
  outputs: {
    opened: output<{ seq: number }>(),
    pair: output<{ host: string; handle: string; pid: string; open_seq: number; close_seq: number; ms: number }>(),
    unopened: output<{ seq: number }>(),
  },
  on: {
    opened(event, ctx) {
      ctx.state.open.add({ seq: event.seq, time: ctx.time });
      ctx.emit('opened', { seq: event.seq });
    },
    closed(event, ctx) {
      const oldest = ctx.state.open.takeFirst();
      if (oldest === undefined) {
        ctx.emit('unopened', { seq: event.seq });
        return;
      }
      const { host, HandleId: handle, ProcessId: pid } = event;
      ctx.emit('pair', { host, handle, pid, open_seq: oldest.seq, close_seq: event.seq, ms: ctx.time - oldest.time });
    },
  },
});
