import t from 'tap';
import { connectNats } from '../src/nats/connect.ts';
import { persistApi } from '../src/nats/js-api.ts';
import type { NatsStatus } from '../src/nats/link.ts';
import { openNatsLog } from '../src/nats/nats-log.ts';
import { servers, withServer } from './support/servers.ts';

/** Appends that nobody can rely on, while the connection stands: why is said, once, until they work again. */

for (const server of await servers()) {
  t.test(`${server.name} server: a stream at its limit is named with what the server says of it`, async (t) => {
    const { url } = await withServer(t, server);
    const said: (string | undefined)[] = [];
    const onStatus = ({ trouble }: NatsStatus) => said.push(trouble);
    const link = await connectNats({ url, tries: 'once', onStatus });
    t.teardown(() => link.close());
    const log = await openNatsLog(link, { prefix: 'corral' });
    const body = Buffer.alloc(1000);
    const first = await log.append('corral.journal.1', 0, body);
    t.equal(first.kind, 'stored');
    const expected = first.kind === 'stored' ? first.sequence : 0;
    const info = await persistApi<{ config: object; state: { bytes: number } }>(link, 'STREAM.INFO.CORRAL_JOURNAL');
    if (info.kind !== 'ok') throw new Error(info.description);
    const { config, state } = info.value;
    // Room for what is there; less would make the server drop it.
    await persistApi(link, 'STREAM.UPDATE.CORRAL_JOURNAL', { ...config, max_bytes: state.bytes + 500 });
    said.length = 0;
    for (let attempt = 0; attempt < 3; attempt += 1) {
      t.match(await log.append('corral.journal.1', expected, body), { kind: 'unknown', reason: 'full' });
      // What still works does not take back what does not.
      t.equal((await log.last('corral.journal.1'))?.sequence, expected);
      t.equal((await log.append(`corral.match.rule.${attempt}`, 0, body)).kind, 'stored');
    }
    t.equal(said.length, 1, 'it is said once');
    t.match(said[0], /^nothing can be appended to CORRAL_JOURNAL: JetStream: maximum bytes exceeded/);
    t.match(link.status, { connected: true, trouble: /CORRAL_JOURNAL/ });
    await persistApi(link, 'STREAM.UPDATE.CORRAL_JOURNAL', { ...config, max_bytes: -1 });
    t.equal((await log.append('corral.journal.1', expected, body)).kind, 'stored');
    t.equal(said.at(-1), undefined);
    t.equal(link.status.trouble, undefined);
  });

  t.test(`${server.name} server: a stream that is gone has nobody who answers`, async (t) => {
    const { url } = await withServer(t, server);
    const link = await connectNats({ url, tries: 'once' });
    t.teardown(() => link.close());
    const log = await openNatsLog(link, { prefix: 'corral' });
    await persistApi(link, 'STREAM.DELETE.CORRAL_MATCH');
    t.match(await log.append('corral.match.rule.1', 0, Buffer.from('{}')), { kind: 'unknown', reason: 'nobody' });
    t.match(link.status.trouble, /^nothing can be appended to CORRAL_MATCH: nobody answers/);
  });
}
