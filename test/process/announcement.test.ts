import { afterEach, expect, test, vi } from 'vitest';
import { Announcement } from '../../engine/embed/announcement.ts';

afterEach(() => {
  vi.useRealTimers();
});

function announced() {
  vi.useFakeTimers();
  const said: string[] = [];
  const announcement = new Announcement(['a', 'b'], (text) => said.push(text));
  const tell = (opening: number) =>
    announcement.observer.on('assignmentChanged', { open: 4 - opening, opening });
  const start = () =>
    announcement.observer.on('runtimeStarted', {
      ...{ application: 'x', tasks: 4, threads: 0, memoryBytes: 1 },
    });
  return { said, announcement, tell, start };
}

test('where the tasks are open first, an address is told when the runtime has started', () => {
  const { said, tell, start } = announced();
  tell(4);
  tell(0);
  expect(said, 'before the runtime has started').toEqual([]);
  start();
  expect(said).toEqual(['a\n', 'b\n']);
});

test('an address is told when every task is open, once', () => {
  const { said, tell, start } = announced();
  start();
  tell(4);
  expect(said, 'while tasks are opened').toEqual([]);
  tell(0);
  expect(said).toEqual(['a\n', 'b\n']);
  tell(0);
  vi.advanceTimersByTime(10_000);
  expect(said).toEqual(['a\n', 'b\n']);
});

test('a long restore does not hide the address', () => {
  const { said, tell, start } = announced();
  start();
  tell(4);
  vi.advanceTimersByTime(3_000);
  expect(said).toEqual(['a\n', 'b\n']);
});

test('nothing is told of a start that failed', () => {
  const { said, announcement } = announced();
  announcement.cancel();
  vi.advanceTimersByTime(10_000);
  expect(said).toEqual([]);
});
