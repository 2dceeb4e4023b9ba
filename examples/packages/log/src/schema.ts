/** The tables of the log. */
export const schema = `
  CREATE TABLE IF NOT EXISTS topics (
    name TEXT PRIMARY KEY, partitions INTEGER NOT NULL, settings TEXT NOT NULL);
  CREATE TABLE IF NOT EXISTS partitions (
    topic TEXT, partition INTEGER, first INTEGER NOT NULL, next INTEGER NOT NULL,
    cleaned INTEGER NOT NULL, PRIMARY KEY (topic, partition)) WITHOUT ROWID;
  CREATE TABLE IF NOT EXISTS records (
    topic TEXT, partition INTEGER, position INTEGER, key BLOB, value BLOB,
    time REAL NOT NULL, headers BLOB NOT NULL,
    PRIMARY KEY (topic, partition, position)) WITHOUT ROWID;
  CREATE TABLE IF NOT EXISTS offsets (
    grp TEXT, topic TEXT, partition INTEGER, position INTEGER NOT NULL, metadata TEXT,
    PRIMARY KEY (grp, topic, partition)) WITHOUT ROWID;
  CREATE TABLE IF NOT EXISTS writers (
    id TEXT PRIMARY KEY, epoch INTEGER NOT NULL, commit_id INTEGER NOT NULL) WITHOUT ROWID;`;
