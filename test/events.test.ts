import { isDeepStrictEqual } from 'node:util';
import { Ajv } from 'ajv';
import fc from 'fast-check';
import { Packr } from 'msgpackr';
import t, { type Test } from 'tap';
import type { Emission } from '../src/core/behaviours/behaviour.ts';
import { type DeadLetter, decodeDeadLetter, encodeDeadLetter } from '../src/core/events/dead-letter.ts';
import { decodeMessage } from '../src/core/events/decode.ts';
import type { Decoded } from '../src/core/events/decoded.ts';
import type { Event } from '../src/core/events/event.ts';
import type { Extract, Extraction } from '../src/core/events/extraction.ts';
import { encodeMatch } from '../src/core/events/match-envelope.ts';
import { matchSchema } from '../src/core/events/match-schema.ts';
import type { SourceSettings } from '../src/core/events/source-settings.ts';
import { formatInstant } from '../src/core/time/format-instant.ts';
import { parseInstant } from '../src/core/time/parse-instant.ts';
import { duration, instant } from '../src/core/time/units.ts';

const STAMP = instant(Date.UTC(2026, 0, 2, 3, 4, 5));

const nothing: Extraction = {
  each: undefined,
  derived: [],
  where: undefined,
  id: undefined,
  type: undefined,
  time: undefined,
};

function source(extraction: Partial<Extraction> = {}, more: Partial<SourceSettings> = {}): SourceSettings {
  return {
    name: 'auth',
    stream: 'AUTH',
    subject: undefined,
    format: 'auto',
    start: { kind: 'beginning' },
    disorder: duration(0),
    idleAfter: duration(2000),
    publisher: undefined,
    eventBytesMax: 1024,
    ...more,
    extraction: { ...nothing, ...extraction },
  };
}

const bytes = (body: string | readonly number[] | Uint8Array): Uint8Array =>
  typeof body === 'string' ? new TextEncoder().encode(body) : Uint8Array.from(body);

function decode(
  body: string | readonly number[] | Uint8Array,
  headers?: Readonly<Record<string, string>>,
  settings: SourceSettings = source(),
): Decoded {
  return decodeMessage({ sequence: 7, subject: 'auth.login', stamp: STAMP, headers, body: bytes(body) }, settings);
}

const json = (value: unknown): string => JSON.stringify(value);
const packr = new Packr({ useRecords: false, variableMapSize: true });
const msgpack = (value: unknown): Uint8Array => packr.pack(value);

/** Reads one field of the data, null when it is absent. */
const field =
  (name: string): Extract =>
  ({ data }) => ({ ok: true, value: (data as Record<string, unknown> | null)?.[name] ?? null });
const fails: Extract = () => ({ ok: false, message: 'no such overload' });

const data = (decoded: Decoded): unknown[] => decoded.events.map((event) => event.data);
const causes = (decoded: Decoded): string[] =>
  decoded.rejected.map(({ cause, index }) => `${cause}@${index ?? 'message'}`);

/** A message that is undecodable as a whole, for a reason that its dead letter states. */
function refused(test: Test, decoded: Decoded, reason: RegExp, name: string): void {
  test.same(causes(decoded), ['undecodable@message'], name);
  test.match(decoded.rejected[0]?.message, reason, `${name}: says why`);
  test.same(decoded.events, [], `${name}: no event`);
}

t.test('JSON bodies', async (t) => {
  t.test('a map is one event with the stream sequence as id, the stored time as time and no type', async (t) => {
    t.same(decode('{"ip":"10.0.0.1","n":1}'), {
      events: [
        {
          id: '7',
          type: '',
          subject: 'auth.login',
          time: STAMP,
          source: 'auth',
          seq: 7,
          index: 0,
          headers: undefined,
          data: { ip: '10.0.0.1', n: 1 },
        },
      ],
      rejected: [],
      excluded: 0,
      expressionsFailed: 0,
      failure: undefined,
    });
  });
  t.test('a list is many events, named by sequence and index', async (t) => {
    const { events } = decode('[{"a":1},{"a":2},[3]]');
    t.same(data({ ...decode('[]'), events }), [{ a: 1 }, { a: 2 }, [3]]);
    t.same(
      events.map(({ id, seq, index }) => [id, seq, index]),
      [
        ['7', 7, 0],
        ['7.1', 7, 1],
        ['7.2', 7, 2],
      ],
    );
  });
  t.test('an empty list is no event and no dead letter', async (t) => {
    t.match(decode('[]'), { events: [], rejected: [] });
  });
  t.test('a scalar is an event too: null, a number, a text', async (t) => {
    t.same(data(decode('null')), [null]);
    t.same(data(decode('-1.5e3')), [-1500]);
    t.same(data(decode(' "x" ')), ['x']);
  });
  t.test('lines of JSON are many events; blank lines and \\r do not count', async (t) => {
    t.same(data(decode('{"a":1}\r\n\n{"a":2}\n[3]\n')), [{ a: 1 }, { a: 2 }, [3]]);
  });
  t.test('a faulty line is rejected by itself, and its neighbours keep their index', async (t) => {
    const decoded = decode('{"a":1}\n{"a":\n{"a":3}');
    t.same(causes(decoded), ['undecodable@1']);
    t.same(
      decoded.events.map(({ id, data }) => [id, data]),
      [
        ['7', { a: 1 }],
        ['7.2', { a: 3 }],
      ],
    );
  });
  t.test('a broken map over several lines is not taken for lines of JSON', async (t) => {
    refused(t, decode('{\n"a": 1,\n"b": \n}'), /is not JSON: Unexpected token/, 'broken');
  });
  t.test('a byte order mark is ignored', async (t) => {
    t.same(data(decode('\ufeff{"a":"\ufeff"}')), [{ a: '\ufeff' }]);
  });
  t.test('bytes that are not UTF-8 are refused, a replacement character that was sent is not', async (t) => {
    refused(t, decode([0x22, 0xc3, 0x28, 0x22]), /not UTF-8/, 'overlong');
    refused(t, decode([0x22, 0xed, 0xa0, 0x80, 0x22]), /not UTF-8/, 'surrogate');
    t.same(data(decode('"a\ufffdb"')), ['a\ufffdb']);
    t.same(data(decode('\ufeff"a\ufffdb"')), ['a\ufffdb']);
  });
  t.test('every Unicode text arrives as sent', async (t) => {
    const text = 'käse 鍵 🔑 \u0000 \u2028';
    t.same(data(decode(json({ [text]: text }))), [{ [text]: text }]);
  });
  t.test('an empty body and a blank one are refused', async (t) => {
    refused(t, decode(''), /is empty/, 'empty');
    refused(t, decode('', undefined, source({}, { format: 'json' })), /is empty/, 'empty, format json');
    refused(t, decode('', undefined, source({}, { format: 'msgpack' })), /is empty/, 'empty, format msgpack');
    refused(t, decode(' \n'), /is not JSON/, 'blank');
  });
  t.test('64 levels of nesting are taken, 65 and a bomb of a million are refused', async (t) => {
    const nested = (levels: number) => `${'{"a":'.repeat(levels)}1${'}'.repeat(levels)}`;
    t.equal(decode(nested(64)).events.length, 1);
    refused(t, decode(nested(65)), /nested deeper than 64/, '65 maps');
    refused(t, decode('['.repeat(65) + ']'.repeat(65)), /nested deeper than 64/, '65 lists');
    refused(t, decode('['.repeat(1e6) + ']'.repeat(1e6)), /nested deeper than 64/, 'a million');
    refused(t, decode('['.repeat(1e6)), /is not JSON/, 'a million unclosed');
  });
  t.test('a field __proto__ becomes __proto_ at any depth and changes no prototype', async (t) => {
    const [event] = decode('{"__proto__":{"admin":true},"in":[{"\\u005f_proto__":1}],"constructor":2}').events;
    t.strictSame(event?.data, { in: [{ __proto_: 1 }], constructor: 2, __proto_: { admin: true } });
    t.equal(Object.getPrototypeOf(event?.data), Object.prototype);
    t.notOk((event?.data as Record<string, unknown> | undefined)?.admin);
  });
  t.test('numbers are doubles: too many digits are rounded, too large ones are infinite', async (t) => {
    t.same(data(decode('[9007199254740993, 1e999, -1e999, 1e-999]')), [
      9007199254740992,
      Number.POSITIVE_INFINITY,
      Number.NEGATIVE_INFINITY,
      0,
    ]);
  });
  t.test('other formats are refused with what their first byte says', async (t) => {
    refused(t, decode([0x0a, 0x03, 0x41]), /is not JSON/, 'protobuf');
    refused(t, decode('<event/>'), /is not JSON/, 'XML');
    refused(t, decode('NaN'), /is not JSON/, 'NaN');
  });
  t.test('format json looks at no header', async (t) => {
    const headers = { 'content-type': 'application/cloudevents+json', 'ce-specversion': '1.0' };
    t.same(data(decode('{"a":1}', headers, source({}, { format: 'json' }))), [{ a: 1 }]);
  });
});

t.test('msgpack bodies', async (t) => {
  t.test('are recognised by their first byte, or by Content-Type', async (t) => {
    const value = {
      ip: '10.0.0.1',
      list: [1, -1, 1.5, 70000, -70000, 2 ** 40, true, false, null],
      text: 'ä'.repeat(300),
    };
    t.strictSame(data(decode(msgpack(value))), [value]);
    t.strictSame(data(decode(msgpack([value, value]))), [value, value]);
    for (const type of ['application/msgpack', 'application/x-msgpack', 'Application/Vnd.Msgpack; v=1']) {
      t.strictSame(data(decode(msgpack('just text'), { 'content-type': type })), ['just text'], type);
    }
    t.strictSame(data(decode([0x01], undefined, source({}, { format: 'msgpack' }))), [1], 'format msgpack');
  });
  t.test('several values in a row are many events', async (t) => {
    t.strictSame(data(decode([...msgpack({ a: 1 }), ...msgpack({ a: 2 })])), [{ a: 1 }, { a: 2 }]);
  });
  t.test('all widths of lengths and numbers are read', async (t) => {
    const wide = [
      0xdf, 0, 0, 0, 1, 0xdb, 0, 0, 0, 1, 0x6b, 0xdd, 0, 0, 0, 5, 0xcf, 0, 0, 0, 0, 0, 0, 0, 9, 0xd3, 255, 255, 255,
      255, 255, 255, 255, 247, 0xd2, 255, 255, 255, 254, 0xd1, 255, 253, 0xca, 0x3f, 0xc0, 0, 0,
    ];
    t.strictSame(data(decode(wide)), [{ k: [9, -9, -2, -3, 1.5] }]);
    const large = Object.fromEntries(Array.from({ length: 300 }, (_, n) => [`field-${n}`, n]));
    t.strictSame(data(decode(msgpack(large), undefined, source({}, { eventBytesMax: 1e6 }))), [large]);
  });
  t.test('NaN and infinities stay, BigInts become doubles, binary becomes base64', async (t) => {
    const [event] = decode(
      msgpack({ nan: Number.NaN, inf: -1 / 0, big: 2n ** 63n, bin: Buffer.from([1, 2, 255]) }),
    ).events;
    t.strictSame(event?.data, { nan: Number.NaN, inf: -1 / 0, big: 2 ** 63, bin: 'AQL/' });
  });
  t.test('a timestamp becomes milliseconds since the epoch, in all three forms', async (t) => {
    const forms = [
      new Date('2017-03-27T13:06:56Z'),
      new Date('2017-03-27T13:06:56.789Z'),
      new Date('1907-03-27T13:06:56Z'),
    ];
    for (const date of forms)
      t.strictSame(data(decode(msgpack({ at: date }))), [{ at: date.getTime() }], date.toISOString());
  });
  t.test('any other extension is refused', async (t) => {
    refused(t, decode([0x81, 0xa1, 0x61, 0xd4, 0x72, 0x40]), /extension \(type 114, 1 bytes\)/, 'a record definition');
    refused(t, decode([0x81, 0xa1, 0x61, 0xc7, 2, 0x78, 0x91, 0xa0]), /extension/, 'a regular expression');
    refused(t, decode([0x81, 0xa1, 0x61, 0xd6, 0x70, 0, 0, 0, 0]), /extension/, 'a reference to itself');
  });
  t.test('lengths that the bytes cannot hold reserve nothing and are refused', async (t) => {
    refused(t, decode([0xdd, 0xff, 0xff, 0xff, 0xff]), /ends early/, 'list');
    refused(t, decode([0xdf, 0xff, 0xff, 0xff, 0xff, 0xa0]), /ends early/, 'map');
    refused(t, decode([0x91, 0xdb, 0xff, 0xff, 0xff, 0xff, 0x61]), /ends early/, 'text');
    refused(t, decode([0x91, 0xcb, 0]), /ends early/, 'number');
    refused(t, decode([0x91, 0xc1]), /byte 0xc1 at 1 begins nothing/, 'reserved byte');
  });
  t.test('nesting is bounded as for JSON', async (t) => {
    t.equal(decode([...new Array(63).fill(0x91), 0x90]).events.length, 1);
    refused(t, decode([...new Array(64).fill(0x91), 0x90]), /nested deeper than 64/, '65 lists');
    refused(t, decode(new Uint8Array(1e6).fill(0x91)), /nested deeper than 64/, 'a million');
  });
  t.test('field names: __proto__ becomes __proto_, numbers become text, anything else is refused', async (t) => {
    const proto = [0xa9, ...bytes('__proto__')];
    const [event] = decode([0x82, ...proto, 0x81, 0xa1, 0x61, 1, 5, 2]).events;
    t.strictSame(event?.data, { 5: 2, __proto_: { a: 1 } });
    t.strictSame(decode([0x81, ...proto, 3]).events[0]?.data, { __proto_: 3 }, 'also when the name is known already');
    refused(t, decode([0x81, 0x90, 1]), /field name/, 'a list as name');
    refused(t, decode([0x81, 0xc0, 1]), /field name/, 'null as name');
  });
  t.test('text that is not UTF-8 is refused', async (t) => {
    refused(t, decode([0x81, 0xa1, 0x61, 0xa2, 0xc3, 0x28]), /not UTF-8/, 'value');
    refused(t, decode([0x81, 0xa2, 0xc3, 0x28, 1]), /not UTF-8/, 'name');
  });
  t.test('field names that share a place in the name table do not mix', async (t) => {
    const names = Array.from({ length: 5000 }, (_, n) => `f${n}`);
    const mixed = [...names, ...names].filter((name) => {
      const [event] = decode(msgpack({ [name]: 1 })).events;
      return Object.keys(event?.data as object).join() !== name;
    });
    t.same(mixed, []);
  });
});

t.test('CloudEvents', async (t) => {
  const event = {
    specversion: '1.0',
    id: 'A-1',
    source: '/shop',
    type: 'shop.order',
    time: '2026-01-01T00:00:00.5Z',
    partitionkey: 'k',
    data: { n: 1 },
  };
  const structured = { 'content-type': 'application/cloudevents+json; charset=UTF-8', trace: 'x' };
  const attributes = {
    'ce-specversion': '1.0',
    'ce-id': 'A-1',
    'ce-source': '/shop',
    'ce-type': 'shop.order',
    'ce-time': '2026-01-01T00:00:00.5Z',
    'ce-partitionkey': 'k',
  };
  const expected = {
    id: 'A-1',
    type: 'shop.order',
    time: Date.UTC(2026, 0, 1, 0, 0, 0, 500),
    seq: 7,
    index: 0,
    data: { n: 1 },
  };
  const only = (decoded: Decoded): Event => {
    if (decoded.events.length !== 1) throw new Error(json(decoded));
    return decoded.events[0]!;
  };

  t.test('structured: the body is the event, its attributes are found as ce- headers', async (t) => {
    const found = only(decode(json(event), structured));
    t.match(found, expected);
    t.same(found.headers, { ...structured, ...attributes });
  });
  t.test('a batch is many events, and a faulty member is rejected alone', async (t) => {
    const batch = [event, { ...event, type: undefined }, 5, { ...event, id: 'A-2' }];
    const decoded = decode(json(batch), { 'content-type': 'application/cloudevents-batch+json' });
    t.same(causes(decoded), ['undecodable@1', 'undecodable@2']);
    t.match(decoded.rejected[0]?.message, /has no type/);
    t.same(
      decoded.events.map(({ id, index }) => [id, index]),
      [
        ['A-1', 0],
        ['A-2', 3],
      ],
    );
  });
  t.test('format cloudevents takes the body as structured without any header', async (t) => {
    t.match(only(decode(json(event), undefined, source({}, { format: 'cloudevents' }))), expected);
    t.match(only(decode(msgpack(event), undefined, source({}, { format: 'cloudevents' }))), expected);
    t.same(causes(decode('{"n":1}', undefined, source({}, { format: 'cloudevents' }))), ['undecodable@0']);
  });
  t.test('binary: attributes in headers, percent-decoded; the body is the data', async (t) => {
    const headers = {
      ...attributes,
      'ce-subject': 'K%C3%A4se%20%22x%22',
      'ce-odd': '100%',
      'content-type': 'application/json',
    };
    const found = only(decode('{"n":1}', headers));
    t.match(found, expected);
    t.equal(found.headers?.['ce-subject'], 'Käse "x"');
    t.equal(found.headers?.['ce-odd'], '100%', 'a faulty encoding is left as it is');
    t.match(only(decode('{"n":1}', attributes)), expected, 'JSON without Content-Type');
    t.match(only(decode(msgpack({ n: 1 }), attributes)), expected, 'msgpack without Content-Type');
    t.match(
      only(decode(msgpack({ n: 1 }), { ...attributes, 'content-type': 'application/msgpack' })),
      expected,
      'msgpack',
    );
  });
  t.test('binary: a list is the data of one event; an empty body is null', async (t) => {
    t.same(only(decode('[1,2]', attributes)).data, [1, 2]);
    t.equal(only(decode('', attributes)).data, null);
  });
  t.test('data that is neither JSON nor msgpack is text, or base64 text', async (t) => {
    t.equal(only(decode('käse', { ...attributes, 'content-type': 'text/plain' })).data, 'käse');
    t.equal(only(decode([0xff, 0], { ...attributes, 'content-type': 'application/octet-stream' })).data, '/wA=');
    refused(t, decode('käse', { ...attributes, 'content-type': 'application/json' }), /is not JSON/, 'not JSON');
  });
  t.test('data_base64 is decoded by datacontenttype', async (t) => {
    const base64 = (value: string | Uint8Array, datacontenttype?: string) =>
      decode(
        json({ ...event, data: undefined, datacontenttype, data_base64: Buffer.from(value).toString('base64') }),
        structured,
      );
    t.same(only(base64('{"n":1}', 'application/json')).data, { n: 1 });
    t.same(only(base64(msgpack({ n: 1 }), 'application/msgpack')).data, { n: 1 });
    t.equal(only(base64('hello', 'text/plain')).data, 'hello');
    t.equal(only(base64('hello')).data, 'aGVsbG8=', 'without a type it stays base64');
    t.same(causes(base64('{', 'application/vnd.x+json')), ['undecodable@0']);
    t.same(causes(decode(json({ ...event, data_base64: '*' }), structured)), ['undecodable@0']);
  });
  t.test('an event without specversion, id or type is undecodable, an attribute that is a map too', async (t) => {
    for (const name of ['specversion', 'id', 'type']) {
      t.match(decode(json({ ...event, [name]: undefined }), structured).rejected[0]?.message, new RegExp(`no ${name}`));
    }
    t.match(decode(json({ ...event, odd: {} }), structured).rejected[0]?.message, /attribute odd/);
    const { 'ce-id': _, ...noId } = attributes;
    refused(t, decode('1', noId), /has no id/, 'binary');
  });
  t.test('without a time it takes the stored time; an unusable time is a dead letter of its own', async (t) => {
    t.equal(only(decode(json({ ...event, time: undefined }), structured)).time, STAMP);
    t.same(causes(decode(json({ ...event, time: 'yesterday' }), structured)), ['time@0']);
    t.same(causes(decode(json({ ...event, time: 5 }), structured)), ['time@0'], 'a number is no CloudEvents time');
  });
  t.test('items of `each` extend the id of the CloudEvent', async (t) => {
    const decoded = decode(json({ ...event, data: { items: [1, 2] } }), structured, source({ each: field('items') }));
    t.same(
      decoded.events.map(({ id, type, data }) => [id, type, data]),
      [
        ['A-1.0', 'shop.order', 1],
        ['A-1.1', 'shop.order', 2],
      ],
    );
  });
});

t.test('whatever bytes and headers come, decoding gives an answer and loses no value', async (t) => {
  const every = { each: field('e'), time: field('t'), id: field('i'), where: field('w') };
  const sources = (['auto', 'json', 'cloudevents', 'msgpack'] as const).flatMap((format) => [
    source({}, { format }),
    source(every, { format, eventBytesMax: 64 }),
  ]);
  const headers = fc.option(
    fc.dictionary(
      fc.constantFrom('content-type', 'ce-specversion', 'ce-id', 'ce-type', 'ce-time', 'ce-x'),
      fc.constantFrom(
        '1.0',
        'application/json',
        'application/cloudevents+json',
        'application/msgpack',
        'text/plain',
        '%zz',
        '',
      ),
    ),
    { nil: undefined },
  );
  const answered = (body: Uint8Array, given: Record<string, string> | undefined): void => {
    for (const settings of sources) {
      const { events, rejected, excluded } = decode(body, given, settings);
      const indices = [...events, ...rejected].map(({ index }) => index);
      if (new Set(indices).size !== indices.length) throw new Error('an index twice');
      if (!indices.includes(undefined)) {
        const numbers = [...(indices as number[])].sort((a, b) => a - b);
        if (excluded === 0 && numbers.some((index, i) => index !== i)) throw new Error('an index is missing');
      }
      for (const { time } of events) if (!Number.isFinite(time)) throw new Error('a time that is none');
    }
  };
  const names = fc.oneof(
    fc.constantFrom('e', 't', 'i', 'w', 'id', 'type', 'specversion', 'data', '__proto__'),
    fc.string(),
  );
  const { value } = fc.letrec<{ value: unknown }>((tie) => ({
    value: fc.oneof(
      { maxDepth: 4 },
      fc.constantFrom(null, true, false, '1.0', '2017-01-01T00:00:00Z'),
      fc.double(),
      fc.integer(),
      fc.string({ unit: 'binary' }),
      fc.array(tie('value'), { maxLength: 4 }),
      fc.array(fc.tuple(names, tie('value')), { maxLength: 5 }).map((pairs) => {
        const map = {};
        for (const [name, value] of pairs) {
          Object.defineProperty(map, name, { value, enumerable: true, configurable: true, writable: true });
        }
        return map;
      }),
    ),
  }));
  const runs = { numRuns: 1500 };
  t.test('random bytes', async (t) => {
    fc.assert(fc.property(fc.uint8Array({ maxLength: 60 }), headers, answered), runs);
    t.pass();
  });
  t.test('JSON and msgpack, also cut short or with a byte changed', async (t) => {
    const spoil = fc.record({
      cut: fc.nat(200),
      at: fc.nat(200),
      byte: fc.integer({ min: 0, max: 255 }),
      how: fc.nat(3),
    });
    const bodies = fc.tuple(value, fc.boolean(), spoil).map(([value, packed, { cut, at, byte, how }]) => {
      const body = Uint8Array.from(packed ? msgpack(value) : bytes(json(value)));
      if (how === 1 && at < body.length) body[at] = byte;
      return how === 2 ? body.subarray(0, cut) : body;
    });
    fc.assert(fc.property(bodies, headers, answered), runs);
    t.pass();
  });
  t.test('plain data comes back from msgpack as it was sent', async (t) => {
    fc.assert(
      fc.property(value, (sent) => {
        const [viaJson, viaMsgpack] = [json([[sent]]), msgpack([[sent]])].map((body) => data(decode(body)));
        // JSON has no NaN, infinity or -0: they are null and 0 there, so both are compared as JSON has them.
        const plain = (value: unknown): unknown => JSON.parse(json(value));
        if (!isDeepStrictEqual(plain(viaMsgpack), plain(viaJson))) throw new Error(`${json(viaMsgpack)} by msgpack`);
      }),
      runs,
    );
    t.pass();
  });
});

t.test('what a source extracts', async (t) => {
  t.test('time: RFC 3339 or milliseconds; null falls back to the stored time', async (t) => {
    const timed = source({ time: field('at') });
    const body = '[{"at":"2017-03-27T13:06:56+02:00"},{"at":1490620016000.5},{"at":null},{}]';
    t.same(
      decode(body, undefined, timed).events.map(({ time }) => time),
      [Date.UTC(2017, 2, 27, 11, 6, 56), 1490620016000.5, STAMP, STAMP],
    );
  });
  t.test('time: what is present and names no instant is a dead letter, its neighbours are not', async (t) => {
    const body = '[{"at":"27.3.2017"},{"at":true},{"at":{}},{"at":1e16},{"at":"2017-03-27T13:06:56"},{"at":0}]';
    const decoded = decode(body, undefined, source({ time: field('at') }));
    t.same(causes(decoded), ['time@0', 'time@1', 'time@2', 'time@3', 'time@4']);
    t.match(decoded.rejected[0]?.message, /"27\.3\.2017": it must be RFC 3339/);
    t.same(
      decoded.events.map(({ id, time }) => [id, time]),
      [['7.5', 0]],
    );
    t.same(causes(decode(msgpack({ at: Number.NaN }), undefined, source({ time: field('at') }))), ['time@0'], 'NaN');
    t.same(causes(decode('{}', undefined, source({ time: fails }))), ['time@0'], 'a failing expression');
  });
  t.test('id and type: text, numbers and booleans; null or a failure leaves what there was', async (t) => {
    const named = source({ id: field('i'), type: field('t') });
    const decoded = decode('[{"i":"x","t":"A"},{"i":5,"t":true},{},{"i":[],"t":{}}]', undefined, named);
    t.same(
      decoded.events.map(({ id, type }) => [id, type]),
      [
        ['x', 'A'],
        ['5', 'true'],
        ['7.2', ''],
        ['7.3', ''],
      ],
    );
    t.equal(decoded.expressionsFailed, 2);
    t.match(decoded.failure, /`type` of source auth gave a map, not a text/);
  });
  t.test('where: only true keeps an event; the others are counted and keep their index', async (t) => {
    const decoded = decode('[{"w":true},{"w":false},{"w":1},{},{"w":true}]', undefined, source({ where: field('w') }));
    t.same(
      decoded.events.map(({ id }) => id),
      ['7', '7.4'],
    );
    t.equal(decoded.excluded, 3);
    t.match(decode('{}', undefined, source({ where: fails })), { events: [], excluded: 1, expressionsFailed: 1 });
  });
  t.test('an excluded event is no dead letter, however bad its time', async (t) => {
    t.same(causes(decode('{"at":"x"}', undefined, source({ where: field('w'), time: field('at') }))), []);
  });
  t.test('let: fields in order, each sees those before it; a failure gives null and is counted', async (t) => {
    const derived = [
      { name: 'twice', value: ((e) => ({ ok: true, value: (e.data as { n: number }).n * 2 })) as Extract },
      { name: 'more', value: ((e) => ({ ok: true, value: (e.data as { twice: number }).twice + 1 })) as Extract },
      { name: 'bad', value: fails },
    ];
    const decoded = decode('{"n":4}', undefined, source({ derived, where: () => ({ ok: true, value: true }) }));
    t.same(data(decoded), [{ n: 4, twice: 8, more: 9, bad: null }]);
    t.equal(decoded.expressionsFailed, 1);
    t.same(causes(decode('[5,[1]]', undefined, source({ derived }))), ['extraction@0', 'extraction@1']);
  });
  t.test('each: items are numbered through the message, and do not share what `let` adds', async (t) => {
    const each: Extract = ({ data }) => ({ ok: true, value: [data, data] });
    let n = 0;
    const derived = [{ name: 'n', value: (() => ({ ok: true, value: n++ })) as Extract }];
    const decoded = decode('[{"a":1},{"a":2}]', undefined, source({ each, derived }));
    t.same(data(decoded), [
      { a: 1, n: 0 },
      { a: 1, n: 1 },
      { a: 2, n: 2 },
      { a: 2, n: 3 },
    ]);
    t.same(
      decoded.events.map(({ id, index }) => [id, index]),
      [
        ['7', 0],
        ['7.1', 1],
        ['7.2', 2],
        ['7.3', 3],
      ],
    );
  });
  t.test('each: what is no list, null included, is a dead letter; an empty list is no event', async (t) => {
    const decoded = decode('[{"items":[]},{},{"items":5},{"items":[1]}]', undefined, source({ each: field('items') }));
    t.same(causes(decoded), ['extraction@0', 'extraction@1']);
    t.match(decoded.rejected[0]?.message, /gave null, not a list/);
    t.same(data(decoded), [1]);
    t.same(causes(decode('{}', undefined, source({ each: fails }))), ['extraction@0']);
  });
});

t.test('limits of size', async (t) => {
  const small = source({}, { eventBytesMax: 40 });
  t.test('an event over eventBytesMax is rejected, alone', async (t) => {
    const large = { text: 'x'.repeat(40) };
    t.same(causes(decode(json(large), undefined, small)), ['tooLarge@0']);
    const decoded = decode(json([{ a: 1 }, large, { a: 2 }]), undefined, small);
    t.same(causes(decoded), ['tooLarge@1']);
    t.match(decoded.rejected[0]?.message, /has 51 bytes, more than the 40 of eventBytesMax/);
    t.same(data(decoded), [{ a: 1 }, { a: 2 }]);
  });
  t.test('the limit is in bytes, not characters, and is itself allowed', async (t) => {
    t.equal(decode(json('x'.repeat(38)), undefined, small).events.length, 1);
    t.same(causes(decode(json('ä'.repeat(20)), undefined, small)), ['tooLarge@0']);
  });
  t.test('many small events in a large message are all taken', async (t) => {
    t.equal(decode(json(Array.from({ length: 100 }, (_, n) => ({ n }))), undefined, small).events.length, 100);
  });
  t.test('an event of 10 MB has its answer', async (t) => {
    t.same(causes(decode(json({ text: 'x'.repeat(10_000_000) }), undefined, source())), ['tooLarge@0']);
  });
  t.test('a message with more than 100,000 events is rejected as a whole', async (t) => {
    const list = (length: number) => `[${new Array(length).fill('0').join(',')}]`;
    t.same(causes(decode(list(100_001))), ['tooLarge@message']);
    t.equal(decode(list(100_000)).events.length, 100_000);
    const each: Extract = () => ({ ok: true, value: new Array(60_000).fill(0) });
    t.same(causes(decode('[0,0]', undefined, source({ each }))), ['tooLarge@message']);
  });
});

t.test('a message with very many faults gives 101 dead letters, the last of which counts the rest', async (t) => {
  const lines = Array.from({ length: 5000 }, (_, n) => (n % 10 === 0 ? `${n}` : '{'));
  const { events, rejected } = decode(lines.join('\n'), undefined, source({}, { eventBytesMax: 1e6 }));
  t.equal(events.length, 500);
  t.equal(rejected.length, 101);
  t.match(rejected[100], { cause: 'undecodable', index: 112, message: /^4400 further values .* Value 112 of/ });
});

t.test('instants', async (t) => {
  t.test('RFC 3339 gives what Date gives, for instants of ten millennia', async (t) => {
    const wrong: string[] = [];
    for (let i = 0; i < 5000; i++) {
      const ms = Math.floor((i * 7919 * 104729 * 1009) % 253402300800000);
      const text = new Date(ms).toISOString();
      if (parseInstant(text) !== ms || formatInstant(instant(ms)) !== text) wrong.push(text);
    }
    t.same(wrong, []);
    for (const text of [
      '0000-01-01T00:00:00Z',
      '0000-03-01T00:00:00Z',
      '0001-01-01T00:00:00Z',
      '1900-02-28T23:59:59Z',
      '1904-02-29T12:00:00Z',
      '1970-01-01T00:00:00+00:00',
      '2000-02-29T00:00:00.1-23:59',
      '2016-12-31T23:59:59.999+05:30',
      '9999-12-31T23:59:59.999Z',
    ]) {
      t.equal(parseInstant(text), Date.parse(text), text);
    }
  });
  t.test('lower case, a blank and a leap second are understood', async (t) => {
    t.equal(parseInstant('2017-01-01 00:00:00z'), Date.UTC(2017, 0, 1));
    t.equal(parseInstant('2017-01-01t00:00:00z'), Date.UTC(2017, 0, 1));
    t.equal(parseInstant('2016-12-31T23:59:60Z'), Date.UTC(2017, 0, 1));
  });
  t.test('decimals beyond milliseconds stay as a fraction', async (t) => {
    const second = Date.UTC(2017, 0, 1);
    t.equal(parseInstant('2017-01-01T00:00:00.25Z'), second + 250);
    t.equal(parseInstant('2017-01-01T00:00:00.000500000Z'), second + 0.5);
    t.equal(formatInstant(instant(second + 0.5)), '2017-01-01T00:00:00.000500Z');
    t.equal(formatInstant(instant(second + 999.9999)), '2017-01-01T00:00:01.000Z');
  });
  t.test('a negative instant and a far one are written as Date writes them', async (t) => {
    for (const ms of [-1, -86_400_001, 8.64e15, -8.64e15])
      t.equal(formatInstant(instant(ms)), new Date(ms).toISOString());
  });
  t.test('what is not a whole RFC 3339 text, or no date, names no instant', async (t) => {
    for (const text of [
      '',
      '2017',
      '2017-03-27',
      '2017-03-27T13:06:56',
      '2017-03-27T13:06Z',
      '2017-03-27T13:06:56.Z',
      '2017-03-27T13:06:56+0200',
      '2017-03-27T13:06:56+02',
      '2017-03-27T13:06:56+24:00',
      '2017-03-27T13:06:56ZZ',
      '2017-03-27T13:06:56Z ',
      ' 2017-03-27T13:06:56Z',
      '2017-02-29T00:00:00Z',
      '1900-02-29T00:00:00Z',
      '2017-04-31T00:00:00Z',
      '2017-13-01T00:00:00Z',
      '2017-00-01T00:00:00Z',
      '2017-01-00T00:00:00Z',
      '2017-01-01T24:00:00Z',
      '2017-01-01T00:60:00Z',
      '2017-01-01T00:00:61Z',
      '2017/01/01T00:00:00Z',
      '2017-01-01X00:00:00Z',
      '2017-01-01T00-00-00Z',
      '-017-01-01T00:00:00Z',
      '+2017-01-01T00:00:00Z',
      '1490620016000',
      'x'.repeat(30),
    ]) {
      t.equal(parseInstant(text), undefined, JSON.stringify(text));
    }
    for (const value of [null, undefined, true, {}, [], Number.NaN, 1 / 0, 8.65e15, 5n]) {
      t.equal(parseInstant(value), undefined, String(value));
    }
    t.equal(parseInstant(-5.5), -5.5);
  });
});

t.test('dead letters', async (t) => {
  const letter: DeadLetter = {
    cause: 'undecodable',
    message: 'The message is not JSON.',
    time: STAMP,
    source: 'auth',
    stream: 'AUTH',
    sequence: 7,
    index: undefined,
    subject: 'auth.login',
    rule: undefined,
    key: undefined,
    events: undefined,
    headers: { 'content-type': 'text/plain' },
    body: Uint8Array.from([0, 255, 10]),
  };
  t.test('come back as they were stored, bytes and headers included', async (t) => {
    const stored = encodeDeadLetter(letter, 1e6);
    t.match(JSON.parse(Buffer.from(stored).toString()), {
      cause: 'undecodable',
      sequence: 7,
      time: '2026-01-02T03:04:05.000Z',
    });
    t.strictSame({ ...decodeDeadLetter(stored), body: Uint8Array.from([0, 255, 10]) }, { ...letter, omitted: [] });
    t.strictSame(Uint8Array.from(decodeDeadLetter(stored).body!), Uint8Array.from([0, 255, 10]));
    const ofRule: DeadLetter = {
      ...letter,
      cause: 'emit',
      index: 3,
      rule: 'r',
      key: ['a', 1, true],
      headers: undefined,
      body: undefined,
    };
    t.strictSame(decodeDeadLetter(encodeDeadLetter(ofRule, 1e6)), { ...ofRule, omitted: [] });
  });
  t.test('keep a reference where the whole would not fit, and say what is left out', async (t) => {
    const large = { ...letter, body: new Uint8Array(10_000_000), message: 'x'.repeat(5000) };
    const stored = encodeDeadLetter(large, 16_384);
    t.ok(stored.length <= 16_384);
    t.match(decodeDeadLetter(stored), {
      omitted: ['body'],
      body: undefined,
      stream: 'AUTH',
      sequence: 7,
      headers: letter.headers,
    });
    const headers = { huge: 'h'.repeat(20_000) };
    t.match(decodeDeadLetter(encodeDeadLetter({ ...letter, headers }, 16_384)), { omitted: ['body', 'headers'] });
    t.match(decodeDeadLetter(encodeDeadLetter({ ...letter, body: new Uint8Array(12_200) }, 16_384)), {
      omitted: ['body'],
    });
  });
  t.test('are not read from anything else', async (t) => {
    for (const other of ['', '5', 'null', '{}', '{"cause":"key"}'])
      t.throws(() => decodeDeadLetter(bytes(other)), RangeError);
  });
});

t.test('match envelopes', async (t) => {
  const emission: Emission = {
    kind: 'match',
    side: undefined,
    time: instant(Date.UTC(2017, 3, 14, 5, 15, 13)),
    first: instant(Date.UTC(2017, 3, 14, 5, 9, 44)),
    last: instant(Date.UTC(2017, 3, 14, 5, 15, 13)),
    events: [
      {
        step: 'guess',
        count: 147,
        refs: [
          {
            source: 'auth',
            seq: 12,
            index: 3,
            id: 'odd "id" \\ \u0000 käse',
            time: instant(Date.UTC(2017, 3, 14, 5, 9, 44)),
          },
        ],
      },
      { step: 'login', count: 0, refs: [] },
    ],
    emit: { title: 'a "quoted" title', n: 147, none: null },
  };
  const facts = {
    prefix: 'corral',
    rule: 'break-in',
    ruleVersion: 'abc',
    severity: 'high',
    labels: { team: 'sécurité' },
    shard: 12,
    ordinal: 345,
    key: '24.151.103.17',
    emission,
  };
  const check = new Ajv({ strict: false, formats: { 'date-time': true } }).compile(matchSchema);
  const read = (more: Partial<typeof facts> & { key?: unknown } = {}) => {
    const encoded = encodeMatch({ ...facts, ...more } as typeof facts);
    if (!encoded.ok) throw new Error(encoded.message);
    const value = JSON.parse(Buffer.from(encoded.body).toString());
    if (!check(value)) throw new Error(json(check.errors));
    return value;
  };

  t.test('are CloudEvents that say rule, key, events and emit', async (t) => {
    t.strictSame(read(), {
      specversion: '1.0',
      id: 'break-in/12/345',
      source: '/corral',
      type: 'corral.match.break-in',
      time: '2017-04-14T05:15:13.000Z',
      datacontenttype: 'application/json',
      data: {
        rule: 'break-in',
        ruleVersion: 'abc',
        key: '24.151.103.17',
        kind: 'match',
        severity: 'high',
        labels: { team: 'sécurité' },
        first: '2017-04-14T05:09:44.000Z',
        last: '2017-04-14T05:15:13.000Z',
        events: [
          {
            step: 'guess',
            count: 147,
            refs: [
              { source: 'auth', seq: 12, index: 3, id: 'odd "id" \\ \u0000 käse', time: '2017-04-14T05:09:44.000Z' },
            ],
          },
          { step: 'login', count: 0, refs: [] },
        ],
        emit: { title: 'a "quoted" title', n: 147, none: null },
      },
    });
  });
  t.test('keep the type of a key, and of composite keys', async (t) => {
    for (const key of ['', 'ключ "x"', 5, -0.5, true, ['a', 1, false]])
      t.strictSame(read({ key } as object).data.key, key);
  });
  t.test('leave out what a rule or emission does not have', async (t) => {
    const bare = { ...emission, first: undefined, last: undefined, events: [], emit: undefined };
    t.strictSame(Object.keys(read({ severity: undefined, emission: bare } as object).data), [
      'rule',
      'ruleVersion',
      'key',
      'kind',
      'labels',
      'events',
    ]);
  });
  t.test('of side outputs have a type and ids of their own, since they are numbered by themselves', async (t) => {
    t.match(read({ emission: { ...emission, kind: 'timeout', side: 'timeout' } }), {
      id: 'break-in.timeout/12/345',
      type: 'corral.side.break-in.timeout',
      data: { kind: 'timeout' },
    });
  });
  t.test('of updates have the id of what they update, and say which one they are', async (t) => {
    const identity = { cell: 3, ordinal: 17 };
    t.match(read({ emission: { ...emission, kind: 'update', identity, revision: 2, approximate: ['users'] } }), {
      id: 'break-in/12/17',
      data: { kind: 'update', revision: 2, approximate: ['users'] },
    });
    const unstored = { cell: 3, ordinal: undefined };
    t.match(read({ emission: { ...emission, kind: 'update', identity: unstored, revision: 1 } }), {
      id: 'break-in/12/345',
    });
  });
  t.test('fail for an emit that JSON cannot hold, naming rule, place and value', async (t) => {
    const cyclic: Record<string, unknown> = { a: 1 };
    cyclic.self = cyclic;
    const cases: [unknown, RegExp][] = [
      [{ a: { total: 5n } }, /`emit` of rule break-in holds a BigInt at a\.total/],
      [5n, /holds a BigInt$/],
      [{ a: [() => 1] }, /holds a function at a\.0/],
      [{ a: Symbol('x') }, /holds a symbol at a/],
      [cyclic, /more than 64 levels, or itself, at self\.self/],
      [{ a: new Map() }, /holds a Map at a/],
      [new Set([1]), /holds a Set$/],
      [{ a: new Uint8Array(2) }, /holds binary at a/],
      [{ a: { toJSON: () => 5n } }, /could not be encoded: .*BigInt/],
      [
        {
          get a() {
            throw new Error('getter');
          },
        },
        /could not be encoded|getter/,
      ],
    ];
    for (const [emit, message] of cases) {
      const encoded = encodeMatch({ ...facts, emission: { ...emission, emit } });
      t.match(encoded, { ok: false, message }, String(message));
    }
  });
  t.test('write NaN and infinities as null, leave undefined fields out, and dates as text', async (t) => {
    const emit = { nan: Number.NaN, inf: 1 / 0, none: undefined, at: new Date(0), list: [undefined, 1] };
    t.strictSame(read({ emission: { ...emission, emit } }).data.emit, {
      nan: null,
      inf: null,
      at: '1970-01-01T00:00:00.000Z',
      list: [null, 1],
    });
  });
});
