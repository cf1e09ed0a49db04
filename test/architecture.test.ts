import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';
import t from 'tap';
import ts from 'typescript';
import { packageRoot } from '../src/cli/package-root.ts';

/** Rules of the house. Each failure says what to do. */

const SRC = join(packageRoot, 'src');

/**
 * Who may import whom: design and ARCHITECTURE.md have the same table. A file belongs to the first folder whose path it
 * begins with. What is not listed for it, it may not import; `packages` are those that this folder alone may use.
 */
const CORE = ['core'];
const FOLDERS: readonly { folder: string; imports: readonly string[]; packages?: readonly string[]; node?: boolean }[] =
  [
    { folder: 'core', imports: CORE },
    { folder: 'ports', imports: ['ports', ...CORE] },
    { folder: 'system', imports: ['system', 'ports', ...CORE], node: true },
    { folder: 'nats', imports: ['nats', 'ports', ...CORE], packages: ['nats'], node: true },
    { folder: 'memory', imports: ['memory', 'ports', ...CORE] },
    { folder: 'journal', imports: ['journal', 'ports', ...CORE] },
    { folder: 'actors', imports: ['actors', 'journal', 'ports', ...CORE], packages: ['nact'] },
    { folder: 'supervision', imports: ['supervision', 'actors', 'journal', 'ports', ...CORE] },
    { folder: 'pipeline', imports: ['pipeline', 'supervision', 'actors', 'journal', 'ports', ...CORE] },
    { folder: 'corral.ts', imports: ['pipeline', 'supervision', 'actors', 'journal', 'ports', ...CORE] },
    { folder: 'config.ts', imports: ['config', 'nats', ...CORE] },
    { folder: 'config', imports: ['config', 'config.ts', 'nats', ...CORE], node: true },
    { folder: 'http', imports: ['http', 'ports', ...CORE], packages: ['prom-client'], node: true },
    {
      folder: 'cli',
      imports: [
        'cli',
        'http',
        'config',
        'config.ts',
        'corral.ts',
        'nats',
        'memory',
        'system',
        'journal',
        'ports',
        ...CORE,
      ],
      packages: ['commander', 'pino'],
      node: true,
    },
    { folder: 'rules-module.ts', imports: CORE },
    { folder: 'testing-module.ts', imports: CORE },
    { folder: 'main.ts', imports: ['cli'], packages: ['commander'], node: true },
  ];

/** Packages that only the named folder may import; every other package may be imported anywhere it is of use. */
const RESERVED = new Map(
  FOLDERS.flatMap(({ folder, packages = [] }) => packages.map((name) => [name, folder] as const)),
);
RESERVED.set('commander', 'cli');

/** Node's modules that hold no clock, no chance and no I/O. */
const PURE_NODE = new Set(['node:buffer', 'node:assert', 'node:assert/strict', 'node:zlib']);

const LINES_MAX = 350;

interface SourceFile {
  readonly path: string;
  readonly tree: ts.SourceFile;
  /** Relative imports as paths below src, and packages by name. `type` ones vanish when compiled. */
  readonly imports: readonly { readonly to: string; readonly line: number; readonly typeOnly: boolean }[];
}

const files: readonly SourceFile[] = readdirSync(SRC, { recursive: true, encoding: 'utf8' })
  .filter((path) => path.endsWith('.ts'))
  .map((path) => {
    const tree = ts.createSourceFile(path, readFileSync(join(SRC, path), 'utf8'), ts.ScriptTarget.ES2022, true);
    return { path, tree, imports: importsOf(path, tree) };
  });

function importsOf(path: string, tree: ts.SourceFile): SourceFile['imports'] {
  const found: { to: string; line: number; typeOnly: boolean }[] = [];
  const add = (node: ts.Node, specifier: ts.Expression | undefined, typeOnly: boolean): void => {
    if (specifier === undefined || !ts.isStringLiteral(specifier)) return;
    const { text } = specifier;
    const to = text.startsWith('.') ? relative(SRC, resolve(SRC, dirname(path), text)) : text;
    found.push({ to, line: tree.getLineAndCharacterOfPosition(node.getStart()).line + 1, typeOnly });
  };
  const visit = (node: ts.Node): void => {
    if (ts.isImportDeclaration(node)) add(node, node.moduleSpecifier, isTypeOnly(node));
    if (ts.isExportDeclaration(node)) add(node, node.moduleSpecifier, node.isTypeOnly);
    if (ts.isCallExpression(node) && node.expression.kind === ts.SyntaxKind.ImportKeyword)
      add(node, node.arguments[0], false);
    ts.forEachChild(node, visit);
  };
  visit(tree);
  return found;
}

function isTypeOnly({ importClause }: ts.ImportDeclaration): boolean {
  if (importClause === undefined) return false;
  if (importClause.isTypeOnly) return true;
  const named = importClause.namedBindings;
  return (
    importClause.name === undefined &&
    named !== undefined &&
    ts.isNamedImports(named) &&
    named.elements.length > 0 &&
    named.elements.every((element) => element.isTypeOnly)
  );
}

const folderOf = (path: string) =>
  FOLDERS.find(({ folder }) => path === folder || path.startsWith(`${folder}/`))?.folder;

const isOurs = (to: string): boolean => to.endsWith('.ts');

t.test('imports run one way, downstream along the path of an event', async (t) => {
  const wrong = files.flatMap(({ path, imports }) => {
    const from = FOLDERS.find(({ folder }) => folder === folderOf(path));
    if (from === undefined) return [`src/${path} is in no folder of the table: put it in one, or add the folder`];
    return imports
      .filter(({ to }) => isOurs(to) && !from.imports.includes(folderOf(to) ?? ''))
      .map(
        ({ to, line }) =>
          `src/${path}:${line} imports src/${to}, and ${from.folder} may import ${from.imports.join(', ')} only: ` +
          'move what is needed downstream, or hand it in',
      );
  });
  t.strictSame(wrong, []);
});

t.test('nact, nats and the libraries of the shell are each imported by one folder', async (t) => {
  const wrong = files.flatMap(({ path, imports }) =>
    imports
      .filter(({ to }) => {
        const owner = RESERVED.get(to);
        return owner !== undefined && folderOf(path) !== owner && path !== 'main.ts';
      })
      .map(
        ({ to, line }) =>
          `src/${path}:${line} imports ${to}, which src/${RESERVED.get(to)} alone may: use its interface`,
      ),
  );
  t.strictSame(wrong, []);
});

t.test('only the shell imports what Node has of files, processes and sockets', async (t) => {
  const wrong = files.flatMap(({ path, imports }) => {
    const from = FOLDERS.find(({ folder }) => folder === folderOf(path));
    if (from?.node === true) return [];
    return imports
      .filter(({ to }) => to.startsWith('node:') && !PURE_NODE.has(to))
      .map(
        ({ to, line }) =>
          `src/${path}:${line} imports ${to}: make it a port, or do it in src/cli, src/nats or src/system`,
      );
  });
  t.strictSame(wrong, []);
});

/** What makes two runs differ, by the words one would write. */
const AMBIENT: readonly (readonly [words: RegExp, instead: string])[] = [
  [/^Date\.now$|^performance\.now$|^process\.hrtime/, 'take the time as an argument, or from the Clock port'],
  [/^Math\.random$|^crypto\./, 'take chance from the Random port'],
  [/^set(Timeout|Interval|Immediate)$/, "use the Clock port's `after`"],
  [/^process\./, 'take what is needed as an argument'],
  [/^console\./, 'use the Logger port'],
  [/^fetch$/, 'make it a port'],
];

/** Folders that get time, chance and the outside world handed in; the core above all. */
const HANDED_IN = ['core', 'ports', 'journal', 'pipeline', 'supervision', 'memory', 'corral.ts'];

t.test('no clock, no chance and no I/O but what is handed in', async (t) => {
  const wrong: string[] = [];
  for (const { path, tree } of files) {
    if (!HANDED_IN.includes(folderOf(path) ?? '')) continue;
    const complain = (node: ts.Node, words: string): void => {
      const found = AMBIENT.find(([expression]) => expression.test(words));
      if (found === undefined) return;
      const line = tree.getLineAndCharacterOfPosition(node.getStart()).line + 1;
      wrong.push(`src/${path}:${line} uses ${words}: ${found[1]}`);
    };
    const visit = (node: ts.Node): void => {
      if (ts.isPropertyAccessExpression(node)) complain(node, node.getText());
      if (ts.isCallExpression(node) && ts.isIdentifier(node.expression)) complain(node, node.expression.text);
      if (ts.isNewExpression(node) && node.expression.getText() === 'Date' && !node.arguments?.length)
        complain(node, 'Date.now');
      ts.forEachChild(node, visit);
    };
    visit(tree);
  }
  t.strictSame(wrong, []);
});

t.test('files can be read in one go', async (t) => {
  const long = files
    .map(({ path, tree }) => ({ path, lines: tree.text.trimEnd().split('\n').length }))
    .filter(({ lines }) => lines > LINES_MAX)
    .map(
      ({ path, lines }) =>
        `src/${path} has ${lines} lines, over ${LINES_MAX}: find the second idea in it and move it out`,
    );
  t.strictSame(long, []);
});

t.test('files do not import each other in circles', async (t) => {
  const graph = new Map(
    files.map(({ path, imports }) => [
      path,
      imports.filter(({ to, typeOnly }) => isOurs(to) && !typeOnly).map(({ to }) => to),
    ]),
  );
  const circles: string[] = [];
  const done = new Set<string>();
  const visit = (path: string, trail: readonly string[]): void => {
    const at = trail.indexOf(path);
    if (at >= 0) {
      circles.push(`${[...trail.slice(at), path].join(' -> ')}: move what both need into a file of its own`);
      return;
    }
    if (done.has(path)) return;
    for (const next of graph.get(path) ?? []) visit(next, [...trail, path]);
    done.add(path);
  };
  for (const path of graph.keys()) visit(path, []);
  t.strictSame(circles, []);
});

t.test('every file is reached from the command, the libraries for rule modules, a test or a tool', async (t) => {
  const outside = ['test', 'bench', 'scripts'].flatMap((folder) =>
    readdirSync(join(packageRoot, folder), { recursive: true, encoding: 'utf8' })
      .filter((path) => path.endsWith('.ts'))
      .map((path) => readFileSync(join(packageRoot, folder, path), 'utf8')),
  );
  const byOutside = new Set(
    outside.flatMap((text) => [...text.matchAll(/src\/([\w./-]+\.ts)'/g)].map(([, path]) => path)),
  );
  const reached = new Set<string>();
  const visit = (path: string): void => {
    if (reached.has(path)) return;
    reached.add(path);
    for (const { to } of files.find((file) => file.path === path)?.imports ?? []) if (isOurs(to)) visit(to);
  };
  for (const start of ['main.ts', 'rules-module.ts', 'testing-module.ts', ...HOOKS]) visit(start);
  const dead = files
    .map(({ path }) => path)
    .filter((path) => !reached.has(path) && !byOutside.has(path))
    .map((path) => `src/${path} is imported by nothing: remove it, or use it`);
  t.strictSame(dead, []);
});

/** Loaded by Node by address, not by an import. */
const HOOKS = ['cli/rule-module-hooks.ts', 'system/watchdog-thread.ts'];
