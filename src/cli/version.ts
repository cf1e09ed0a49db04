import { readFileSync } from 'node:fs';
import { packageRoot } from './package-root.ts';

/** Version of the installed package. */
export const VERSION = (JSON.parse(readFileSync(`${packageRoot}/package.json`, 'utf8')) as { version: string }).version;
