/**
 * A text field for segments that suggests what may come next, for keyboard, mouse and screen
 * reader.
 */
import type { RefObject } from 'preact';
import { useLayoutEffect, useState } from 'preact/hooks';
import { type Completion, completionAt, type Suggestion, type Vocabulary } from './complete.ts';

interface EditorProps {
  readonly field: RefObject<HTMLTextAreaElement | null>;
  readonly text: string;
  readonly change: (text: string) => void;
  readonly isWrong: boolean;
  /** Undefined until it is loaded; nothing is suggested before. */
  readonly vocabulary: Vocabulary | undefined;
}

export function Editor({ field, text, change, isWrong, vocabulary }: EditorProps) {
  const [offered, setOffered] = useState<Completion>();
  const [chosen, setChosen] = useState(0);
  const [caret, setCaret] = useState<number>();
  const options = offered?.options ?? [];
  useLayoutEffect(() => {
    if (caret === undefined) return;
    field.current?.setSelectionRange(caret, caret);
    setCaret(undefined);
  }, [caret]);
  const offer = (element: HTMLTextAreaElement) => {
    if (vocabulary === undefined) return;
    const found = completionAt(element.value, element.selectionStart, vocabulary);
    setOffered(found.options.length > 0 ? found : undefined);
    setChosen(0);
  };
  const take = ({ insert, caret: within }: Suggestion) => {
    if (offered === undefined) return;
    change(text.slice(0, offered.from) + insert + text.slice(offered.to));
    setCaret(offered.from + within);
    setOffered(undefined);
    field.current?.focus();
  };
  const pressed = (event: KeyboardEvent & { readonly currentTarget: HTMLTextAreaElement }) => {
    if (event.key === ' ' && event.ctrlKey) {
      event.preventDefault();
      offer(event.currentTarget);
      return;
    }
    const option = options[chosen];
    if (option === undefined) return;
    if (event.key === 'ArrowDown') setChosen((chosen + 1) % options.length);
    else if (event.key === 'ArrowUp') setChosen((chosen + options.length - 1) % options.length);
    else if (event.key === 'Enter' || event.key === 'Tab') take(option);
    else if (event.key === 'Escape') setOffered(undefined);
    else return;
    event.preventDefault();
  };
  const isOpen = options.length > 0;
  return (
    <div class="completing">
      <textarea
        id="definitions"
        ref={field}
        class="editor"
        spellcheck={false}
        autocomplete="off"
        aria-describedby="mistakes completion-help"
        aria-invalid={isWrong}
        aria-autocomplete="list"
        aria-controls={isOpen ? 'completions' : undefined}
        aria-activedescendant={isOpen ? `completion-${chosen}` : undefined}
        value={text}
        onInput={(event) => {
          change(event.currentTarget.value);
          offer(event.currentTarget);
        }}
        onKeyDown={pressed}
        onBlur={() => setOffered(undefined)}
      />
      {isOpen && (
        <div id="completions" class="completions" role="listbox" aria-label="What may come here">
          {options.map((option, i) => (
            // The keys are those of the text field, which keeps the focus.
            // biome-ignore lint/a11y/useKeyWithClickEvents: see above
            // biome-ignore lint/a11y/useFocusableInteractive: see above
            <div
              key={option.label}
              id={`completion-${i}`}
              role="option"
              aria-selected={i === chosen}
              onMouseDown={(event) => event.preventDefault()}
              onClick={() => take(option)}
            >
              <b>{option.label}</b> <span class="muted">{option.about}</span>
            </div>
          ))}
        </div>
      )}
      <p id="completion-help" class="muted">
        Suggestions appear as you type, and by Ctrl+Space: arrows choose, Enter takes, Escape
        closes.
      </p>
    </div>
  );
}
