import { execFile } from 'node:child_process';
import { constants } from 'node:fs';
import { access, chmod, copyFile, mkdir, mkdtemp, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { homedir, tmpdir } from 'node:os';
import { basename, dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { NatsSetupError } from '../setup-error.ts';
import { type AptSource, parseListFile, parseSourcesFile, sourceLine } from './apt-sources.ts';

/**
 * Fetches nats-server as the package of the machine's own distribution, without root and without touching the system:
 * apt works in a folder of its own (so empty package lists do not matter), the package is only unpacked. Several
 * processes may do this at once: each unpacks for itself, and renaming makes one of them the one in use.
 */
const run = promisify(execFile);
const PACKAGE = 'nats-server';

/** Where fetched servers are kept; each suite has a folder. */
export function cachedServer(
  suite: string,
  environment: Readonly<Record<string, string | undefined>> = process.env,
): string {
  const cache = environment.XDG_CACHE_HOME || join(environment.HOME || homedir(), '.cache');
  return join(cache, 'corral', `${PACKAGE}-${suite}`, PACKAGE);
}

/** Whether a file is there and may be executed. */
export async function isExecutable(file: string): Promise<boolean> {
  return access(file, constants.X_OK).then(
    () => true,
    () => false,
  );
}

/** The suite of the running system, as its archive names it; undefined when the system does not say. */
export async function ownSuite(): Promise<string | undefined> {
  const release = await readFile('/etc/os-release', 'utf8').catch(() => '');
  return /^VERSION_CODENAME="?([\w-]+)"?$/m.exec(release)?.[1];
}

/**
 * Gives the path of a suite's nats-server, fetching it if it is not in the cache.
 * @param suite of the distribution, such as `bookworm` or `sid`; undefined = the machine's own
 * @throws {NatsSetupError} NATS_SERVER_MISSING with every way out
 */
export async function fetchServer(suite?: string): Promise<string> {
  const own = await ownSuite();
  const wanted = suite ?? own;
  if (wanted === undefined) throw missing(suite, 'this system names no suite of a distribution that apt knows');
  const target = cachedServer(wanted);
  if (await isExecutable(target)) return target;
  const source = await findSource(own);
  if (source === undefined) throw missing(suite, "apt's settings name no archive of this system's distribution");
  const work = await mkdtemp(join(tmpdir(), 'corral-fetch-'));
  try {
    await download(work, sourceLine(source, wanted));
    await keep(await unpacked(work), target, basename(work));
  } catch (cause) {
    const why =
      cause instanceof Error ? ((cause as { stderr?: string }).stderr || cause.message).trim() : String(cause);
    throw missing(suite, why, cause);
  } finally {
    await rm(work, { recursive: true, force: true });
  }
  return target;
}

/** The archive that has the system's own suite: third parties and security updates have others. */
async function findSource(own: string | undefined): Promise<AptSource | undefined> {
  const files = ['/etc/apt/sources.list'];
  for (const name of await readdir('/etc/apt/sources.list.d').catch(() => [])) {
    files.push(join('/etc/apt/sources.list.d', name));
  }
  for (const file of files) {
    const text = await readFile(file, 'utf8').catch(() => '');
    const sources = file.endsWith('.sources')
      ? parseSourcesFile(text)
      : file.endsWith('.list')
        ? parseListFile(text)
        : [];
    const found = sources.find(({ suites }) => own !== undefined && suites.includes(own));
    if (found !== undefined) return found;
  }
  return undefined;
}

async function download(work: string, line: string): Promise<void> {
  await mkdir(join(work, 'lists', 'partial'), { recursive: true });
  await mkdir(join(work, 'cache', 'archives', 'partial'), { recursive: true });
  await writeFile(join(work, 'status'), '');
  await writeFile(join(work, 'sources.list'), `${line}\n`);
  const settings = [
    `Dir::State=${work}`,
    `Dir::State::lists=${join(work, 'lists')}`,
    `Dir::State::status=${join(work, 'status')}`,
    `Dir::Cache=${join(work, 'cache')}`,
    `Dir::Etc::sourcelist=${join(work, 'sources.list')}`,
    'Dir::Etc::sourceparts=/dev/null',
    'Dir::Etc::preferencesparts=/dev/null',
    // As root, apt would hand over to a user who may not write here.
    'APT::Sandbox::User=root',
    'Acquire::Languages=none',
  ].flatMap((setting) => ['-o', setting]);
  await run('apt-get', [...settings, '-qq', 'update'], { cwd: work });
  await run('apt-get', [...settings, '-qq', 'download', PACKAGE], { cwd: work });
}

async function unpacked(work: string): Promise<string> {
  const archive = (await readdir(work)).find((name) => name.startsWith(`${PACKAGE}_`) && name.endsWith('.deb'));
  if (archive === undefined) throw new Error('apt-get download left no package');
  const root = join(work, 'unpacked');
  await run('dpkg', ['-x', join(work, archive), root]);
  for (const folder of ['usr/sbin', 'usr/bin']) {
    const file = join(root, folder, PACKAGE);
    if (await isExecutable(file)) return file;
  }
  throw new Error(`the package ${archive} holds no ${PACKAGE}`);
}

/** Copies beside the target first: a rename within one folder is atomic, one across file systems is not possible. */
async function keep(file: string, target: string, unique: string): Promise<void> {
  await mkdir(dirname(target), { recursive: true });
  const beside = `${target}.${unique}`;
  await copyFile(file, beside);
  await chmod(beside, 0o755);
  await rename(beside, target);
}

function missing(suite: string | undefined, why: string, cause?: unknown): NatsSetupError {
  const which = suite === undefined ? 'nats-server' : `nats-server of suite ${suite}`;
  return new NatsSetupError(
    'NATS_SERVER_MISSING',
    `no ${which} was found, and it could not be fetched: ${why}. Install it (Debian, Ubuntu: apt install nats-server; ` +
      'macOS: brew install nats-server) and put it on PATH, or set NATS_SERVER to its path.',
    { cause },
  );
}
