/** The sidebar of the documentation site, by task. Every document has its place. */

export interface Section {
  readonly text: string;
  /** Paths in the repository, in order; those of a folder that ends in / are sorted by name. */
  readonly pages: readonly string[];
  readonly isCollapsed?: boolean;
}

export const sections: readonly Section[] = [
  { text: 'Tutorial', pages: ['docs/TUTORIAL.md', 'README.md'] },
  {
    text: 'Guides',
    pages: [
      'docs/DEVELOPING.md',
      'docs/KAFKA-STREAMS.md',
      'docs/EXAMPLES.md',
      'docs/TIME.md',
      'docs/SEGMENTS.md',
      'docs/SCORES.md',
      'docs/MAPPINGS.md',
      'docs/SOURCES.md',
      'docs/SCHEMAS.md',
      'docs/EXTENDING.md',
    ],
  },
  { text: 'Operators', pages: ['docs/operators/'] },
  {
    text: 'Reference',
    pages: [
      'docs/SEMANTICS.md',
      'docs/CATALOGUE.md',
      'docs/GLOSSARY.md',
      'engine/ARCHITECTURE.md',
      'CHANGELOG.md',
    ],
  },
  {
    text: 'Operations',
    pages: [
      'docs/OPERATING.md',
      'docs/KAFKA.md',
      'docs/CONSOLE.md',
      'docs/ALERTS.md',
      'docs/ERRORS.md',
      'docs/METRICS.md',
      'docs/RELIABILITY.md',
      'UPGRADING.md',
      'SECURITY.md',
      'bench/README.md',
    ],
  },
  { text: 'Decisions', pages: ['docs/decisions/'], isCollapsed: true },
  { text: 'Contributing', pages: ['CONTRIBUTING.md'], isCollapsed: true },
];

/** The page at the site's own address. */
export const homePage = 'docs/README.md';

/** Documents that no section names. */
const more: Section = { text: 'More', pages: [] };

/** @param documents all Markdown of the repository, by path; those of docs/ are all placed */
export function placed(documents: readonly string[]): ReadonlyMap<Section, readonly string[]> {
  const places = sections.map(
    (section) =>
      [
        section,
        section.pages.flatMap((page) =>
          page.endsWith('/') ? documents.filter((file) => file.startsWith(page)).sort() : [page],
        ),
      ] as const,
  );
  const named = new Set(places.flatMap(([, pages]) => pages));
  const others = documents.filter(
    (file) => file.startsWith('docs/') && file !== homePage && !named.has(file),
  );
  return new Map(others.length === 0 ? places : [...places, [more, others]]);
}
