import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Registry } from 'prom-client';
import { HttpListenError } from './http-error.ts';

export interface HttpOptions {
  readonly host: string;
  /** 0 takes any free port. */
  readonly port: number;
  readonly registry: Registry;
  /** Why the node is not ready, each a sentence; empty when it is. */
  readonly notReady: () => readonly string[];
}

export interface HttpServer {
  readonly port: number;
  /** For people on the same machine: `http://127.0.0.1:9180`. */
  readonly url: string;
  /** Answers no more. Idempotent. */
  close(): Promise<void>;
}

/** More than Prometheus and all probes together need; beyond it connections are refused. */
const CONNECTIONS_MAX = 64;
const REQUEST_MS = 10_000;

type Answer = { readonly status: number; readonly type: string; readonly body: string };
type Page = () => Answer | Promise<Answer>;

/**
 * `/metrics` for Prometheus; `/livez`, which says only that the process answers and never depends on NATS; `/readyz`,
 * which is 503 with the reasons while events are not, or not all, being worked on.
 * @throws {HttpListenError} when the address is taken or not allowed.
 */
export async function startHttp({ host, port, registry, notReady }: HttpOptions): Promise<HttpServer> {
  const pages = new Map<string, Page>([
    ['/metrics', async () => ({ status: 200, type: registry.contentType, body: await registry.metrics() })],
    ['/livez', () => json(200, { alive: true })],
    [
      '/readyz',
      () => {
        const reasons = notReady();
        return reasons.length === 0 ? json(200, { ready: true }) : json(503, { ready: false, reasons });
      },
    ],
  ]);
  const server = createServer((request, response) => void answer(pages, request, response));
  server.maxConnections = CONNECTIONS_MAX;
  server.requestTimeout = REQUEST_MS;
  server.headersTimeout = REQUEST_MS;
  await new Promise<void>((resolve, reject) => {
    server.once('error', (cause) => reject(new HttpListenError(host, port, cause)));
    server.listen(port, host, resolve);
  });
  const { address, port: bound, family } = server.address() as AddressInfo;
  const anywhere = address === '0.0.0.0' || address === '::';
  const shownHost = anywhere ? '127.0.0.1' : family === 'IPv6' ? `[${address}]` : address;
  let closing: Promise<void> | undefined;
  const close = (): Promise<void> =>
    new Promise((resolve) => {
      server.close(() => resolve());
      server.closeAllConnections();
    });
  return {
    port: bound,
    url: `http://${shownHost}:${bound}`,
    close: () => {
      closing ??= close();
      return closing;
    },
  };
}

async function answer(
  pages: ReadonlyMap<string, Page>,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const { status, type, body } = await pageFor(pages, request);
  response.writeHead(status, {
    'content-type': type,
    'content-length': Buffer.byteLength(body),
    'cache-control': 'no-store',
    ...(status === 405 ? { allow: 'GET, HEAD' } : {}),
  });
  response.end(request.method === 'HEAD' ? undefined : body);
}

async function pageFor(pages: ReadonlyMap<string, Page>, request: IncomingMessage): Promise<Answer> {
  if (request.method !== 'GET' && request.method !== 'HEAD') return json(405, { error: 'only GET and HEAD' });
  const path = (request.url ?? '/').replace(/[?#].*$/s, '');
  const page = pages.get(path);
  if (page === undefined) return json(404, { error: 'no such page', pages: [...pages.keys()] });
  try {
    return await page();
  } catch (error) {
    // Without this a failing gauge would end the process; the scraper sees it and says so.
    return json(500, { error: error instanceof Error ? error.message : String(error) });
  }
}

const json = (status: number, value: unknown): Answer => ({
  status,
  type: 'application/json',
  body: `${JSON.stringify(value)}\n`,
});
