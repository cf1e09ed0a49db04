import type { SourceSettings } from '../core/events/source-settings.ts';
import type { ReferenceSettings } from '../core/references/reference-settings.ts';
import type { RuleSet } from '../core/rules/rule-set.ts';
import type { Subjects } from '../core/shards/subjects.ts';
import type { Clock } from '../ports/clock.ts';
import type { EventSource, FencedLog } from '../ports/log.ts';
import type { Logger } from '../ports/logger.ts';
import type { NodeMeasures, SourceMeasures } from '../ports/measures.ts';
import type { TurnWatch } from '../ports/turn-watch.ts';
import type { Pace } from './pace.ts';

/** What a lane is told. */
export interface LaneOptions {
  readonly ports: {
    readonly log: FencedLog;
    readonly clock: Clock;
    readonly logger: Logger;
    readonly measures: NodeMeasures;
  };
  /** Unique in the deployment; the source's own, but for a lane of its replays. */
  readonly name: string;
  readonly source: EventSource;
  /** Whether what it reads are decisions about dead letters. */
  readonly replays: boolean;
  readonly settings: SourceSettings;
  /** Set when what it reads is reference data. */
  readonly reference?: ReferenceSettings | undefined;
  /** The source ends, so that it is loaded when it has ended. */
  readonly finite?: boolean;
  readonly rules: RuleSet;
  /** Number of the rule version it keys by; never less than before. */
  readonly ruleVersion: () => number;
  readonly shards: number;
  readonly subjects: Subjects;
  readonly heartbeat: number;
  /** Keeps lanes of finite sources in step; undefined for sources without end. */
  readonly pace: Pace | undefined;
  readonly atEnd: 'close' | 'stop' | 'drain';
  readonly measures: SourceMeasures;
  readonly watch: TurnWatch;
}
