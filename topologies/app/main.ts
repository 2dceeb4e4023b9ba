#!/usr/bin/env node
/** The command `millrace`: what the engine can do with any topology, and the ready application. */
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
