/** Lines of a table end here, so that they fit a terminal beside something else. */
export const TABLE_WIDTH = 100;

const GAP = '  ';

export interface Column {
  readonly title: string;
  /** Numbers stand right. */
  readonly right?: boolean;
  /** Cut first when the table would be too wide. */
  readonly flexible?: boolean;
}

/**
 * Rows under their titles, each line at most `width` characters. A cell that does not fit ends in `…`; what comes from
 * outside may hold control characters, which are shown as blanks.
 */
export function formatTable(
  columns: readonly Column[],
  rows: readonly (readonly string[])[],
  width: number = TABLE_WIDTH,
): readonly string[] {
  const cells = [columns.map(({ title }) => title), ...rows.map((row) => row.map(printable))];
  const widths = columns.map((_, column) => Math.max(...cells.map((row) => [...row[column]!].length)));
  const most = width - GAP.length * (columns.length - 1);
  for (const cutFirst of [true, false]) {
    for (let over = sum(widths) - most; over > 0; over -= 1) {
      const widest = widestOf(widths, columns, cutFirst);
      if (widest === undefined) break;
      widths[widest]! -= 1;
    }
  }
  return cells.map((row) =>
    row
      .map((cell, column) => fit(cell, widths[column]!, columns[column]!.right === true))
      .join(GAP)
      .trimEnd(),
  );
}

const LEAST = 4;

function widestOf(widths: readonly number[], columns: readonly Column[], flexibleOnly: boolean): number | undefined {
  let widest: number | undefined;
  for (let column = 0; column < widths.length; column += 1) {
    if (flexibleOnly && columns[column]!.flexible !== true) continue;
    if (widths[column]! > LEAST && (widest === undefined || widths[column]! > widths[widest]!)) widest = column;
  }
  return widest;
}

function fit(text: string, width: number, right: boolean): string {
  const characters = [...text];
  if (characters.length > width) return `${characters.slice(0, width - 1).join('')}…`;
  const blanks = ' '.repeat(width - characters.length);
  return right ? blanks + text : text + blanks;
}

/** Text from outside, without what would move a terminal's cursor. */
export const printable = (text: string): string => text.replace(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu, ' ');

const sum = (numbers: readonly number[]): number => numbers.reduce((total, one) => total + one, 0);
