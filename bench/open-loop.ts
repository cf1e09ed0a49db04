import { connectNats } from '../src/nats/connect.ts';
import { eventMaker } from './event-maker.ts';
import { SUBJECT } from './stage.ts';

// Publishes at intended times: background events in messages of 64, and 100 probes a second that carry their time.
const [url, rate, seconds] = [process.argv[2]!, Number(process.argv[3]), Number(process.argv[4])];
const link = await connectNats({ url });
const next = eventMaker(10_000);
const began = performance.now();
let background = 0;
let probes = 0;
const now = (): number => performance.timeOrigin + performance.now();
await new Promise<void>((resolve) => {
  const tick = (): void => {
    const elapsed = performance.now() - began;
    while (rate > 0 && background < (elapsed / 1000) * rate) {
      link.client.publish(SUBJECT, Buffer.from(JSON.stringify(Array.from({ length: 64 }, next))));
      background += 64;
    }
    while (probes < elapsed / 10) {
      const intended = performance.timeOrigin + began + probes * 10;
      const probe = { kind: 'Probe', card: `p${probes % 1000}`, amount: 0, at: now(), sent: intended };
      link.client.publish(SUBJECT, Buffer.from(JSON.stringify(probe)));
      probes += 1;
    }
    if (elapsed < seconds * 1000) setTimeout(tick, 1);
    else resolve();
  };
  tick();
});
await link.client.flush();
await link.close();
