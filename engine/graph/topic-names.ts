/** Names of the topics that Millrace makes for itself, all led by the application's name. */

export function repartitionTopic(application: string, step: string): string {
  return `${application}-${step}-repartition`;
}

export function changelogTopic(application: string, store: string): string {
  return `${application}-${store}-changelog`;
}

export function deadLetterTopic(application: string): string {
  return `${application}-dead-letters`;
}

export function cursorTopic(application: string): string {
  return `${application}-cursors`;
}
