/** One archive as apt's settings name it: where packages come from and what signs them. */
export interface AptSource {
  readonly uri: string;
  readonly suites: readonly string[];
  readonly components: readonly string[];
  /** Path of a keyring; undefined = apt's default keys. */
  readonly signedBy: string | undefined;
}

/** Reads a `.sources` file: stanzas of `Field: value`, continued on indented lines. */
export function parseSourcesFile(text: string): AptSource[] {
  const found: AptSource[] = [];
  for (const stanza of text.split(/\n[ \t]*\n/)) {
    const fields = new Map<string, string>();
    let last = '';
    for (const line of stanza.split('\n')) {
      if (line.startsWith('#')) continue;
      const field = /^([\w-]+):\s*(.*)$/.exec(line);
      if (field !== null) {
        last = (field[1] ?? '').toLowerCase();
        fields.set(last, field[2] ?? '');
      } else if (/^\s/.test(line) && last !== '') {
        fields.set(last, `${fields.get(last)}\n${line.trim()}`);
      }
    }
    const words = (field: string): string[] => (fields.get(field) ?? '').split(/\s+/).filter((word) => word !== '');
    if (!words('types').includes('deb') || /^no$/i.test(fields.get('enabled') ?? '')) continue;
    const key = (fields.get('signed-by') ?? '').trim();
    // A key written out in the file cannot be named on one line; apt's default keys hold the distribution's own.
    const signedBy = key.startsWith('/') ? key : undefined;
    for (const uri of words('uris'))
      found.push({ uri, suites: words('suites'), components: words('components'), signedBy });
  }
  return found;
}

/** Reads a `.list` file: `deb [options] uri suite components…` on each line. */
export function parseListFile(text: string): AptSource[] {
  const found: AptSource[] = [];
  for (const line of text.split('\n')) {
    const match = /^\s*deb\s+(?:\[([^\]]*)\]\s*)?(\S+)\s+(\S+)\s*(.*)$/.exec(line.replace(/#.*/, ''));
    if (match === null) continue;
    const [, options = '', uri = '', suite = '', components = ''] = match;
    const signedBy = /(?:^|\s)signed-by=(\S+)/i.exec(options)?.[1];
    found.push({ uri, suites: [suite], components: components.split(/\s+/).filter((word) => word !== ''), signedBy });
  }
  return found;
}

/** The line of a `sources.list` for one suite of an archive. */
export function sourceLine(source: AptSource, suite: string): string {
  const options = source.signedBy === undefined ? '' : `[signed-by=${source.signedBy}] `;
  return `deb ${options}${source.uri} ${suite} ${source.components.join(' ')}`;
}
