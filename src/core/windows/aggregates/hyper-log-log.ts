import type { ByteReader } from '../../shards/byte-reader.ts';
import type { ByteWriter } from '../../shards/byte-writer.ts';
import type { Token } from './values.ts';

/**
 * Estimates how many different values were seen from 4,096 small numbers (HyperLogLog): a value's hash chooses a
 * register and a rank, and a register keeps the greatest rank it was given. The estimator is Ertl's, which needs neither
 * tables nor switches between ranges. Standard error 1.04 / sqrt(4096) = 1.6 %: 99.7 % of estimates are within 5 %.
 */
export const REGISTERS = 4096;
/** Ranks go from 1 to this. */
const RANK_MAX = 33;

export type Registers = Uint8Array;

export function createRegisters(): Registers {
  return new Uint8Array(REGISTERS);
}

/** Register and rank of a value, as one number: register * 64 + rank. */
export function placeOf(token: Token): number {
  const text = typeof token === 'string' ? `"${token}` : String(token);
  let high = 0x9e3779b9;
  let low = 0x85ebca6b;
  for (let at = 0; at < text.length; at++) {
    const code = text.charCodeAt(at);
    high = Math.imul(high ^ code, 0x2c1b3c6d);
    low = Math.imul(low ^ code, 0x297a2d39);
    high ^= high >>> 15;
    low ^= low >>> 13;
  }
  high = scatter(high ^ Math.imul(low, 0x7feb352d));
  low = scatter(low ^ Math.imul(high, 0x846ca68b));
  return (high >>> 20) * 64 + Math.clz32(low) + 1;
}

/** Spreads every bit of a word over all others. */
function scatter(word: number): number {
  let bits = Math.imul(word ^ (word >>> 16), 0x21f0aaad);
  bits = Math.imul(bits ^ (bits >>> 15), 0x735a2d97);
  return bits ^ (bits >>> 15);
}

export function note(registers: Registers, place: number): void {
  const register = Math.floor(place / 64);
  const rank = place % 64;
  if (rank > registers[register]!) registers[register] = rank;
}

export function mergeRegisters(into: Registers, from: Registers): void {
  for (let at = 0; at < REGISTERS; at++) if (from[at]! > into[at]!) into[at] = from[at]!;
}

/** The estimate, rounded to a whole number. */
export function estimate(registers: Registers): number {
  const counts = new Array<number>(RANK_MAX + 1).fill(0);
  for (const rank of registers) counts[rank]! += 1;
  let z = REGISTERS * tau(1 - counts[RANK_MAX]! / REGISTERS);
  for (let rank = RANK_MAX - 1; rank >= 1; rank--) z = 0.5 * (z + counts[rank]!);
  z += REGISTERS * sigma(counts[0]! / REGISTERS);
  return Math.round((REGISTERS * REGISTERS) / (2 * Math.LN2 * z));
}

/** Sum over the registers that no value chose. */
function sigma(share: number): number {
  if (share === 1) return Number.POSITIVE_INFINITY;
  let x = share;
  let y = 1;
  let z = share;
  for (;;) {
    x *= x;
    const before = z;
    z += x * y;
    y += y;
    if (z === before) return z;
  }
}

/** Sum over the registers whose rank is the greatest possible. */
function tau(share: number): number {
  if (share === 0 || share === 1) return 0;
  let x = share;
  let y = 1;
  let z = 1 - share;
  for (;;) {
    x = Math.sqrt(x);
    const before = z;
    y *= 0.5;
    z -= (1 - x) ** 2 * y;
    if (z === before) return z / 3;
  }
}

/** Six bits a register. */
export function writeRegisters(registers: Registers, writer: ByteWriter): void {
  for (let at = 0; at < REGISTERS; at += 4) {
    const bits = (registers[at]! << 18) | (registers[at + 1]! << 12) | (registers[at + 2]! << 6) | registers[at + 3]!;
    writer.byte(bits >>> 16);
    writer.byte((bits >>> 8) & 0xff);
    writer.byte(bits & 0xff);
  }
}

export function readRegisters(reader: ByteReader): Registers {
  const registers = createRegisters();
  for (let at = 0; at < REGISTERS; at += 4) {
    const bits = (reader.byte() << 16) | (reader.byte() << 8) | reader.byte();
    registers[at] = bits >>> 18;
    registers[at + 1] = (bits >>> 12) & 0x3f;
    registers[at + 2] = (bits >>> 6) & 0x3f;
    registers[at + 3] = bits & 0x3f;
  }
  return registers;
}
