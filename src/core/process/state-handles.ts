import { keyText, keyValue } from '../rules/key-text.ts';
import type { Call } from './call.ts';
import type {
  AggregatingHandle,
  AggregatingSpec,
  KeyPart,
  ListHandle,
  MapHandle,
  ReducingHandle,
  ReducingSpec,
  StateSpec,
  ValueHandle,
} from './process-rule.ts';
import type { Slot } from './slots.ts';
import { packValue, unpackValue } from './storable.ts';

// What functions of a rule read and write its state with. A handle stands for one declared state, of whichever key the
// call under way is about.

export function stateHandle(spec: StateSpec, slot: Slot, call: Call): unknown {
  switch (spec.kind) {
    case 'value':
      return valueHandle(slot, call);
    case 'list':
      return listHandle(slot, call);
    case 'map':
      return mapHandle(slot, call);
    case 'reducing':
      return reducingHandle(spec, slot, call);
    case 'aggregating':
      return aggregatingHandle(spec, slot, call);
  }
}

function valueHandle(slot: Slot, call: Call): ValueHandle<unknown> {
  return {
    get() {
      const item = call.state.single(slot);
      return item && unpackValue(item.bytes);
    },
    set(value) {
      call.state.setSingle(slot, packValue(value), call.remembered(slot.clock, slot.ttl));
    },
    clear: () => call.state.clear(slot),
  };
}

function listHandle(slot: Slot, call: Call): ListHandle<unknown> {
  const add = (item: unknown): void => {
    call.state.append(slot, packValue(item), call.remembered(slot.clock, slot.ttl));
  };
  return {
    get size() {
      return call.state.countOf(slot);
    },
    get: () => call.state.listed(slot).map(({ bytes }) => unpackValue(bytes)),
    add,
    takeFirst() {
      const item = call.state.takeFirst(slot);
      return item && unpackValue(item.bytes);
    },
    set(items) {
      const taken = [...items];
      call.state.clear(slot);
      for (const item of taken) add(item);
    },
    clear: () => call.state.clear(slot),
  };
}

function mapHandle(slot: Slot, call: Call): MapHandle<KeyPart, unknown> {
  const keyOf = (name: string): KeyPart => keyValue(name) as KeyPart;
  const all = <Result>(read: (name: string, bytes: Uint8Array) => Result): Result[] =>
    [...call.state.entries(slot)].map(({ name, bytes }) => read(name, bytes));
  return {
    get size() {
      return call.state.countOf(slot);
    },
    get(key) {
      const item = call.state.named(slot, keyText(key));
      return item && unpackValue(item.bytes);
    },
    has: (key) => call.state.named(slot, keyText(key)) !== undefined,
    set(key, value) {
      call.state.setNamed(slot, keyText(key), packValue(value), call.remembered(slot.clock, slot.ttl));
    },
    delete(key) {
      const item = call.state.named(slot, keyText(key));
      if (item !== undefined) call.state.remove(item);
      return item !== undefined;
    },
    keys: () => all(keyOf),
    values: () => all((_, bytes) => unpackValue(bytes)),
    entries: () => all((name, bytes) => [keyOf(name), unpackValue(bytes)]),
    clear: () => call.state.clear(slot),
  };
}

function reducingHandle(
  { initial, add }: ReducingSpec<unknown, unknown>,
  slot: Slot,
  call: Call,
): ReducingHandle<unknown, unknown> {
  const first = packValue(initial);
  const get = (): unknown => unpackValue(call.state.single(slot)?.bytes ?? first);
  return {
    get,
    add(item) {
      call.state.setSingle(slot, packValue(add(get(), item)), call.remembered(slot.clock, slot.ttl));
    },
    clear: () => call.state.clear(slot),
  };
}

function aggregatingHandle(
  { create, add, result }: AggregatingSpec<unknown, unknown, unknown>,
  slot: Slot,
  call: Call,
): AggregatingHandle<unknown, unknown> {
  const accumulator = (): unknown => {
    const item = call.state.single(slot);
    return item === undefined ? create() : unpackValue(item.bytes);
  };
  return {
    get: () => result(accumulator()),
    add(item) {
      call.state.setSingle(slot, packValue(add(accumulator(), item)), call.remembered(slot.clock, slot.ttl));
    },
    clear: () => call.state.clear(slot),
  };
}
