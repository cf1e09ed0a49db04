import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import t from 'tap';
import { parse } from 'yaml';
import { loadRules } from '../src/cli/load-rules.ts';
import { packageRoot } from '../src/cli/package-root.ts';
import { loadConfig } from '../src/config/load-config.ts';
import { DEFAULTS, resolveConfig } from '../src/config.ts';
import { compileRules } from '../src/core/rules/compile-rules.ts';
import { Problems } from '../src/core/rules/document.ts';
import { readYaml } from '../src/core/rules/yaml-document.ts';
import { METRICS } from '../src/http/metrics.ts';

/** What the documentation says is held against what is there. */

const read = (path: string): string => readFileSync(join(packageRoot, path), 'utf8');

const pages = [
  '.',
  'docs',
  'docs/rules',
  'docs/decisions',
  'examples/demo',
  'examples/answers',
  'examples/lookup',
  'test/data',
].flatMap((folder) =>
  readdirSync(join(packageRoot, folder))
    .filter((name) => name.endsWith('.md'))
    .map((name) => join(folder, name)),
);

const sources = readdirSync(join(packageRoot, 'src'), { recursive: true, encoding: 'utf8' })
  .filter((path) => path.endsWith('.ts'))
  .map((path) => read(join('src', path)));

/** Texts in capitals that are no codes of ours: variables, and codes of the YAML library. */
const NO_CODES =
  /^(CORRAL|NATS|XDG|NO)_(?!OPTIONS|SERVER_)|^(BLOCK|QUOTE)_|^(DUPLICATE_KEY|TAG_RESOLVE_FAILED|TAB_AS_INDENT)$/;

t.test('every code of an error or problem is in docs/errors.md, and nothing else', async (t) => {
  const used = new Set(
    sources
      .flatMap((text) => [...text.matchAll(/'([A-Z]+(?:_[A-Z0-9]+)+)'/g)].map(([, code]) => code!))
      .filter((code) => !NO_CODES.test(code)),
  );
  const page = read('docs/errors.md');
  const documented = new Set(
    [...page.matchAll(/^\|((?: `[A-Z_]+`,?)+) \||^### ([A-Z_]+)$/gm)].flatMap(([, cell, heading]) =>
      heading === undefined ? [...cell!.matchAll(/`([A-Z_]+)`/g)].map(([, code]) => code!) : [heading],
    ),
  );
  const missing = [...used].filter((code) => !documented.has(code)).sort();
  t.strictSame(missing, [], 'add these to docs/errors.md, with what happened and the way out');
  const stale = [...documented].filter((code) => !sources.some((text) => text.includes(`'${code}'`))).sort();
  t.strictSame(stale, [], 'no code gives these any more: take them out of docs/errors.md');
});

t.test('every metric is in docs/metrics.md as it is declared, and nothing else', async (t) => {
  const documented = [...read('docs/metrics.md').matchAll(/^\| `(corral_\w+)` \| (\w+) \| ([^|]*) \|/gm)].map(
    ([, name, type, labels]) => ({ name, type, labels: [...labels!.matchAll(/`(\w+)`/g)].map(([, label]) => label) }),
  );
  const byName = (a: { name?: string | undefined }, b: { name?: string | undefined }): number =>
    String(a.name).localeCompare(String(b.name));
  t.strictSame(
    documented.sort(byName),
    METRICS.map(({ name, type, labels }) => ({ name, type, labels: [...labels] })).sort(byName),
  );
});

t.test('links within the repository lead somewhere', async (t) => {
  const broken: string[] = [];
  for (const page of pages) {
    for (const [, target] of read(page).matchAll(/\]\((?!https?:|mailto:)([^)\s]+)\)/g)) {
      const [path = '', anchor] = target!.split('#');
      const file = path === '' ? page : join(dirname(page), path);
      if (!existsSync(resolve(packageRoot, file))) broken.push(`${page}: ${target} does not exist`);
      else if (anchor !== undefined && !anchorsOf(file).has(anchor))
        broken.push(`${page}: ${target} has no such heading`);
    }
  }
  t.strictSame(broken, []);
  const inCode = sources.flatMap((text) => [...text.matchAll(/docs\/([\w-]+\.md)#([\w-]+)/g)]);
  t.ok(inCode.length > 0, 'messages point into the documentation');
  for (const [link, file, anchor] of inCode)
    t.ok(anchorsOf(join('docs', file!)).has(anchor!), `${link}, as a message says it`);
});

function anchorsOf(file: string): ReadonlySet<string> {
  return new Set(
    [...read(file).matchAll(/^#+ (.+)$/gm)].map(([, heading]) =>
      heading!
        .toLowerCase()
        .replace(/[^\w\- ]/g, '')
        .replaceAll(' ', '-'),
    ),
  );
}

t.test('rules and configurations in the documentation are correct', async (t) => {
  let rules = 0;
  let configs = 0;
  for (const page of pages) {
    for (const [, text] of read(page).matchAll(/^```yaml\n([\s\S]*?)^```/gm)) {
      if (/^rule: /m.test(text!)) {
        const problems = new Problems();
        const compiled = compileRules(readYaml(page, text!, problems), { sources: undefined }, problems);
        t.strictSame(compiled.ok ? [] : compiled.problems, [], `${page}: ${text!.split('\n')[0]}`);
        rules += 1;
      } else if (/^sources:/m.test(text!) && /^rules:/m.test(text!)) {
        const resolved = resolveConfig({ file: { path: page, text: text! }, flags: {}, environment: {} });
        t.strictSame(resolved.ok ? [] : resolved.problems, [], `${page}: a configuration`);
        configs += 1;
      }
    }
  }
  t.ok(rules >= 2 && configs >= 2, `${rules} rules and ${configs} configurations were found`);
});

t.test('the shipped configurations and rules are correct', async (t) => {
  const named = (file: string, rules?: readonly string[]) =>
    loadConfig({ file: join(packageRoot, file), flags: {}, environment: {}, rules });
  t.match(named('config/corral.yaml', [join(packageRoot, 'examples/demo')]), { ok: true });
  const demo = named('examples/demo/corral.yaml');
  if (!demo.ok) return t.fail('examples/demo/corral.yaml', { problems: demo.problems });
  t.match(await loadRules(demo.ruleFiles, { sources: demo.config.sources.map(({ name }) => name) }), { ok: true });
  const answers = readdirSync(join(packageRoot, 'examples/answers')).filter((name) => name.endsWith('.yaml'));
  const files = answers.map((name) => join(packageRoot, 'examples/answers', name));
  t.match(await loadRules(files, { sources: undefined }), { ok: true });
});

t.test('the README names commands that exist, and CI runs its test command', async (t) => {
  const { scripts, files, bin, engines } = JSON.parse(read('package.json')) as {
    scripts: Record<string, string>;
    files: string[];
    bin: Record<string, string>;
    engines: { node: string };
  };
  const readme = read('README.md');
  for (const [, script] of readme.matchAll(/npm run ([\w:-]+)/g)) t.ok(scripts[script!], `npm run ${script}`);
  t.match(readme, 'npm ci && npm test');
  t.match(read('.ci/run'), /^npm test /m, '.ci/run runs what the README says');
  t.match(read('.ci/run'), /passed, .*failed/, 'and ends with a count');
  t.equal(bin.corral, 'dist/main.js');
  t.match(readme, engines.node.replace(/^>=/, ''), 'the README names the least Node.js');
  for (const file of files.filter((name) => name !== 'dist' && !name.startsWith('!')))
    t.ok(existsSync(join(packageRoot, file)), `${file} is packed`);
  t.match(read('CHANGELOG.md'), `## ${JSON.parse(read('package.json')).version}`, 'the version is in the changelog');
});

t.test('compose.yaml starts what is there, and Prometheus scrapes where Corral listens', async (t) => {
  const { services } = parse(read('compose.yaml')) as {
    services: Record<string, { volumes?: string[]; environment?: Record<string, string>; read_only?: boolean }>;
  };
  for (const { volumes = [] } of Object.values(services))
    for (const volume of volumes.filter((one) => one.startsWith('./')))
      t.ok(existsSync(join(packageRoot, volume.split(':')[0]!)), volume);
  t.equal(services.corral?.read_only, true);
  const named = services.corral?.environment?.CORRAL_CONFIG?.replace('/etc/corral/rules', 'examples/demo');
  t.ok(existsSync(join(packageRoot, named!)), 'the configuration is in the mounted folder');
  t.match(read('config/prometheus.yml'), `corral:${DEFAULTS.http.port}`);
  t.match(read('Dockerfile'), new RegExp(`^EXPOSE ${DEFAULTS.http.port}$`, 'm'));
});

t.test('the image runs without root, drains, and watches its health without a shell', async (t) => {
  const dockerfile = read('Dockerfile');
  const last = dockerfile.slice(dockerfile.lastIndexOf('\nFROM '));
  t.match(last, /^USER [1-9]\d*:[1-9]\d*$/m, 'a numeric user that is not root');
  t.match(last, /^ENTRYPOINT \["node", /m, 'node is process 1 and takes the signals');
  t.match(last, /^HEALTHCHECK [^[]*CMD \["node", /ms, 'the health check needs no shell');
  t.match(last, /^STOPSIGNAL SIGTERM$/m);
  t.match(read('.dockerignore'), /^\*$/m, 'nothing gets into the build that is not named');
});
