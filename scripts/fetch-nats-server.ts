import { fetchServer } from '../src/nats/server/fetch-server.ts';

// Fetches the nats-server of a Debian suite into the cache folder and prints its path. For trying old and new servers;
// tests take the path in NATS_SERVER or NATS_SERVER_NEWEST.

const suite = process.argv[2];
if (suite === undefined || suite.startsWith('-')) {
  console.error('usage: node build/scripts/fetch-nats-server.js SUITE    for example: bookworm, sid');
  process.exit(2);
}
try {
  console.log(await fetchServer(suite));
} catch (error) {
  console.error(error instanceof Error ? error.message : error);
  process.exit(1);
}
