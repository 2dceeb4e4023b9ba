/** Commands that ask, or check a configuration: explain, verify, score, segment, lint, mapping. */
import type { Command } from 'commander';
import { count } from 'millrace/engine';
import { addKafkaOptions, dataOption, jsonOption, numberOption } from '../../engine/cli/index.ts';
import { lint, plan } from './definition-checks.ts';
import { scoreExplain } from './score-explain.ts';
import { explain } from './segment-explain.ts';
import { segmentAsOf, segmentWhatIf } from './segment-history.ts';
import { tryMapping } from './try-mapping.ts';
import { verify } from './verify.ts';

export function addQuestionCommands(program: Command): void {
  addKafkaOptions(program.command('explain <subject> <segment>'))
    .description('why a subject is in a segment or not, and what changes when')
    .option('--at <instant>', "ISO 8601, e.g. 2026-01-31T09:30:00Z; default: the subject's clock")
    .addOption(dataOption())
    .addOption(jsonOption())
    .action(explain);
  addKafkaOptions(program.command('verify'))
    .description('recompute subjects from the log in SQL and compare them with the state')
    .addOption(numberOption('--sample <n>', 'subjects at most', count(1)).default(1_000))
    .addOption(dataOption())
    .addOption(jsonOption())
    .action(verify);
  program
    .command('lint <config>')
    .description('check a configuration of scores and segments (docs/SEGMENTS.md)')
    .addOption(jsonOption())
    .action(lint);
  program
    .command('mapping <name>')
    .description('check a mapping; with --input, show what it makes of the rows (docs/MAPPINGS.md)')
    .option(
      '--input <path...>',
      'files, folders or patterns to try the mapping on; nothing is taken in',
    )
    .addOption(numberOption('--rows <n>', 'most rows that are read', count(1)).default(10_000))
    .option('--catalogue <file>', 'check it against this catalogue of fields (docs/CATALOGUE.md)')
    .option('--fields', 'print a draft of a catalogue with the fields that it reads and writes')
    .addOption(jsonOption())
    .action(tryMapping);
  addSegments(program);
  addKafkaOptions(
    program.command('score').description('scores: explain').command('explain <subject>'),
  )
    .description('the parts of a score, hour by hour, and when it changes without events')
    .option('--at <instant>', "ISO 8601, e.g. 2026-01-31T09:30:00Z; default: the subject's clock")
    .addOption(dataOption())
    .addOption(jsonOption())
    .action(scoreExplain);
}

function addSegments(program: Command): void {
  const segment = program.command('segment').description('check, price and explain segments');
  for (const [name, about, action] of [
    ['lint', 'list every mistake in a configuration, or what its segments cost', lint],
    ['plan', 'bytes, timers, retention, purposes and hash of each segment', plan],
  ] as const) {
    segment
      .command(`${name} <config>`)
      .description(about)
      .addOption(
        numberOption(
          '--events-per-day <n>',
          'assumed events of each class a day, for the estimate of bytes',
          count(1),
        ).default(1),
      )
      .addOption(jsonOption())
      .action(action);
  }
  addHistory(segment);
  addKafkaOptions(segment.command('explain <subject> <segment>'))
    .description('why a subject is in a segment or not, and what changes when')
    .option('--at <instant>', "ISO 8601, e.g. 2026-01-31T09:30:00Z; default: the subject's clock")
    .addOption(dataOption())
    .addOption(jsonOption())
    .action(explain);
}

function addHistory(segment: Command): void {
  addKafkaOptions(segment.command('what-if <config>'))
    .description(
      'run another configuration over the same events: who would enter and leave, and how scores shift',
    )
    .addOption(dataOption())
    .addOption(jsonOption())
    .action(segmentWhatIf);
  addKafkaOptions(segment.command('as-of <instant>'))
    .description(
      'the members of each segment at an instant (ISO 8601), as known then and as known now',
    )
    .option('--segment <id>', 'only this segment, with its members')
    .addOption(dataOption())
    .addOption(jsonOption())
    .action(segmentAsOf);
}
