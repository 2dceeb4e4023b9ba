/** Classes of events that concern a subject itself. */

/** An event of this class erases its subject. */
export const erasedClass = 'subject_erased';

/**
 * An event of this class says that the definitions have changed. No user made it, and it is not
 * kept.
 */
export const redefinedClass = 'segments_redefined';

/**
 * An event of this class brings the profile of its subject to what a corrected input makes of it.
 * No user made it, and it is not kept. See correction.ts.
 */
export const correctedClass = 'input_corrected';

/** The item of an event of this class names the subject that goes on for this one. */
export const mergedClass = 'subject_merged';
/**
 * An event of this class says that its subject is not the one it was merged into: it becomes
 * independent again.
 */
export const splitClass = 'subject_split';
/** An event of this class carries a merged subject to the one that goes on. */
export const absorbedClass = 'subject_absorbed';
