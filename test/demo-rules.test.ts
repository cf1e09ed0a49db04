import { join } from 'node:path';
import t from 'tap';
import { packageRoot } from '../src/cli/package-root.ts';
import { type MatchOutput, replay } from './support/replay.ts';

/** The rules of the demo, run by the real command over the demo's events. What they must find was counted by hand. */

t.setTimeout(240_000);

const at = (...path: string[]): string => join(packageRoot, ...path);

const emits = (matches: readonly MatchOutput[]) => matches.map(({ data }) => data.emit);

const FIELDS = ['--time', 'event.ts', '--type', 'event.type', '--id', 'event.seq'];

const demo = (...names: string[]): Promise<MatchOutput[]> =>
  replay(
    ...names.map((name) => at('examples', `${name}.yaml`)),
    ...['--events', at('examples/demo/auth-ec2.ndjson.gz'), ...FIELDS],
  );

t.test('the rule for a burst then an accepted password finds the one break-in of auth-ec2', async (t) => {
  t.match(emits(await demo('answers/ssh-burst-then-accepted')), [{ ip: '24.151.103.17', accepted_seq: 3180 }]);
});

t.test('the demo finds', async (t) => {
  t.test('147 guesses from one address, then a login from it, once', async (t) => {
    const matches = await demo('demo/break-in');
    t.strictSame(emits(matches), [
      {
        title: '147 guesses from 24.151.103.17, then a login as elastic_user_0',
        address: '24.151.103.17',
        guesses: 147,
        user: 'elastic_user_0',
        tookMs: 437_000,
      },
    ]);
    const [guess, login] = matches[0]!.data.events;
    t.match(guess, { step: 'guess', count: 147 });
    t.equal(guess?.refs.length, 100);
    t.equal(guess?.refs[0]?.id, '2731');
    t.match(login, { step: 'login', count: 1, refs: [{ id: '3180' }] });
  });
  t.test('runs of five unknown user names from one address within a minute', async (t) => {
    const matches = await demo('demo/name-guessing');
    t.strictSame(
      matches.map(({ data }) => data.events[0]?.refs.map(({ id }) => Number(id))),
      [
        [479, 484, 487, 490, 494],
        [497, 513, 516, 519, 522],
        [525, 528, 531, 534, 537],
        [541, 544, 547, 550, 557],
        [560, 563, 566, 569, 573],
        [886, 889, 892, 895, 899],
        [902, 918, 921, 924, 927],
        [930, 933, 936, 939, 942],
        [946, 949, 952, 955, 962],
        [965, 968, 971, 974, 978],
      ],
    );
    t.match(matches[0]?.data.emit, { address: '91.197.232.109', names: ['0', '0000', '010101', '1111', '1234'] });
  });
  t.test('addresses that were cut off five times within ten minutes', async (t) => {
    t.strictSame(
      (await demo('demo/cut-off')).map(({ data: { key, events } }) => [
        key,
        events[0]?.refs[0]?.id,
        events[0]?.refs[4]?.id,
      ]),
      [
        ['190.178.62.6', '322', '332'],
        ['186.133.159.181', '683', '693'],
        ['181.26.186.35', '4185', '4215'],
        ['49.4.143.105', '4707', '4735'],
        ['49.4.143.105', '4742', '4772'],
        ['49.4.143.105', '4779', '4807'],
        ['49.4.143.105', '4814', '4842'],
        ['122.163.61.218', '6253', '6308'],
        ['201.178.81.113', '7003', '7041'],
      ],
    );
  });
  t.test('users who log in from two addresses within ten minutes', async (t) => {
    t.strictSame(
      (await demo('demo/two-addresses')).map(({ data: { key, events, emit } }) => [
        key,
        events[0]?.refs[0]?.id,
        events[1]?.refs[0]?.id,
        emit.apartMs,
      ]),
      [
        ['elastic_user_9', '1908', '1916', 18_000],
        ['elastic_user_2', '2038', '2048', 530_000],
        ['elastic_user_4', '2094', '2102', 557_000],
        ['elastic_user_1', '2473', '2486', 525_000],
        ['elastic_user_1', '2494', '2502', 386_000],
        ['elastic_user_6', '2510', '2520', 462_000],
        ['elastic_user_8', '2642', '2650', 246_000],
        ['elastic_user_9', '2668', '2676', 345_000],
      ],
    );
  });
  t.test(
    'accounts used from outside within two hours of being made, by a field that the configuration derives',
    async (t) => {
      const all = await replay(
        '--config',
        at('examples/demo/corral.yaml'),
        '--events',
        at('examples/demo/auth-ec2.ndjson.gz'),
      );
      t.strictSame(
        all
          .filter(({ data }) => data.rule === 'new-account')
          .map(({ data: { key, events, emit } }) => [
            key,
            events[0]?.refs[0]?.id,
            events[1]?.refs[0]?.id,
            emit.afterMs,
          ]),
        [
          ['elastic_user_2', '1510', '1648', 3_517_000],
          ['elastic_user_8', '1528', '1660', 3_607_000],
          ['elastic_user_5', '1519', '1672', 3_654_000],
          ['elastic_user_7', '1525', '1713', 4_097_000],
          ['elastic_user_0', '1504', '1727', 4_575_000],
        ],
      );
      const counts: Record<string, number> = {};
      for (const { data } of all) counts[data.rule] = (counts[data.rule] ?? 0) + 1;
      t.strictSame(
        counts,
        { 'break-in': 1, 'name-guessing': 10, 'cut-off': 9, 'two-addresses': 8, 'new-account': 5 },
        'all rules of the demo together find what each finds alone',
      );
    },
  );
});
