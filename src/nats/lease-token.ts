/**
 * Names of leases as keys of a bucket, which may hold only `-/_=.a-zA-Z0-9`, and no empty token. Every other character,
 * and `=` itself, becomes `=` and two hexadecimal digits for each of its UTF-8 bytes; a dot that would leave an empty
 * token too.
 */
export function leaseToken(name: string): string {
  const encoded = name.replace(/[^-/_.a-zA-Z0-9]/gu, (character) => escaped(character));
  return encoded.replace(/^\.|\.$|(?<=\.)\./g, escaped);
}

export function leaseName(token: string): string {
  const bytes = token.replace(/=([0-9A-F]{2})/g, (_, hex: string) => String.fromCharCode(Number.parseInt(hex, 16)));
  return Buffer.from(bytes, 'latin1').toString('utf8');
}

function escaped(character: string): string {
  return [...Buffer.from(character, 'utf8')]
    .map((byte) => `=${byte.toString(16).toUpperCase().padStart(2, '0')}`)
    .join('');
}
