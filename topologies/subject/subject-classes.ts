/** Classes of events that are about a subject itself. */

/** An event of this class erases its subject. */
export const erasedClass = 'subject_erased';

/**
 * An event of this class says that the definitions have changed; it is of nobody's doing and
 * nowhere kept.
 */
export const redefinedClass = 'segments_redefined';

/**
 * An event of this class brings what is kept of its subject to what a corrected input makes of it;
 * it is of nobody's doing and nowhere kept. See correction.ts.
 */
export const correctedClass = 'input_corrected';

/** The item of an event of this class names the subject that goes on for this one. */
export const mergedClass = 'subject_merged';
/**
 * An event of this class says that its subject is not the one that goes on for it: it is its own
 * again.
 */
export const splitClass = 'subject_split';
/** How a subject that was merged reaches the one that goes on. */
export const absorbedClass = 'subject_absorbed';
