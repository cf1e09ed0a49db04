/**
 * What tests of process rules import as `corral/testing`: a rule is run over events whose times are written down, with no
 * server and no waiting. See `Harness`.
 */
export {
  Harness,
  type HarnessOutput,
  harness,
  type WrittenEvent,
  type WrittenReferences,
  type WrittenTime,
} from './core/process/harness.ts';
export { RuleFailed } from './core/process/rule-failed.ts';
