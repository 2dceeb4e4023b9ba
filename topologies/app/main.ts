#!/usr/bin/env node
/**
 * The command `millrace`: the commands of the engine for any topology, and those of the ready
 * application.
 */
import { addEngineCommands, commandLine, runProgram } from '../../engine/cli/index.ts';
import { application } from './application.ts';
import { addIntakeCommands } from './intake-commands.ts';
import { addQuestionCommands } from './question-commands.ts';

const program = commandLine();
program.commandsGroup('Engagement and segments:');
addIntakeCommands(program);
addQuestionCommands(program);
addEngineCommands(program, application);
await runProgram(program);
