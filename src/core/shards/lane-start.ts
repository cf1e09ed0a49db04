import { pack, unpack } from 'msgpackr';

/** Where a source began for a deployment: stored once, by the first lane that ever read it. */
export interface LaneStart {
  /** Everything up to this sequence of the source's stream is not read. */
  readonly seq: number;
  /** When that stream was created. */
  readonly created: string;
  /** Number of shards of the deployment. */
  readonly shards: number;
}

export const encodeLaneStart = ({ seq, created, shards }: LaneStart): Uint8Array => pack({ seq, created, shards });

export const decodeLaneStart = (bytes: Uint8Array): LaneStart => unpack(bytes) as LaneStart;
