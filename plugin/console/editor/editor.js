// A YAML editor, by CodeMirror, behind the few calls that the workbench needs.
import { acceptCompletion, autocompletion, completionKeymap } from '@codemirror/autocomplete';
import { defaultKeymap, history, historyKeymap, indentWithTab } from '@codemirror/commands';
import { yaml } from '@codemirror/lang-yaml';
import { bracketMatching, codeFolding, foldEffect, foldGutter, foldKeymap, HighlightStyle, indentOnInput, indentUnit, syntaxHighlighting } from '@codemirror/language';
import { lintGutter, lintKeymap, setDiagnostics } from '@codemirror/lint';
import { highlightSelectionMatches, search, searchKeymap } from '@codemirror/search';
import { EditorState, StateEffect, StateField } from '@codemirror/state';
import { Decoration, drawSelection, EditorView, highlightActiveLine, highlightActiveLineGutter, keymap, lineNumbers, WidgetType } from '@codemirror/view';
import { tags } from '@lezer/highlight';

// The colours are those of the page. What CodeMirror would draw by images, which the page's policy
// keeps out, is drawn by lines and dots.
const look = EditorView.theme({
  '&': { height: '100%', fontSize: '13px', color: 'var(--text)', backgroundColor: 'var(--card)' },
  '&.cm-focused': { outline: 'none' }, // the page draws it around the gutter too
  '.cm-scroller': { fontFamily: 'var(--code)', lineHeight: '1.5' },
  '.cm-content': { caretColor: 'var(--text)' },
  '.cm-cursor, .cm-dropCursor': { borderLeftColor: 'var(--text)' },
  '.cm-gutters': { backgroundColor: 'var(--card)', color: 'var(--quiet)', borderRight: '1px solid var(--line)' },
  '.cm-activeLine, .cm-activeLineGutter': { backgroundColor: 'color-mix(in srgb, var(--raised) 55%, transparent)' },
  '&.cm-focused > .cm-scroller > .cm-selectionLayer .cm-selectionBackground, .cm-selectionBackground': { backgroundColor: 'var(--mine)' },
  '.cm-selectionMatch, .cm-searchMatch': { backgroundColor: 'var(--mine)' },
  '.cm-matchingBracket': { backgroundColor: 'var(--mine)', outline: '1px solid var(--line)' },
  '.cm-foldPlaceholder': { padding: '0 .6em', border: '1px solid var(--line)', backgroundColor: 'var(--raised)', color: 'var(--quiet)' },
  '.cm-lintRange-error': { backgroundImage: 'none', textDecoration: 'underline wavy var(--bad)', textUnderlineOffset: '3px' },
  '.cm-lintRange-warning': { backgroundImage: 'none', textDecoration: 'underline wavy var(--warn)', textUnderlineOffset: '3px' },
  '.cm-lintRange-active': { backgroundColor: 'color-mix(in srgb, var(--bad) 14%, transparent)' },
  '.cm-lint-marker': { content: 'normal', width: '.6em', height: '.6em', margin: '.45em .1em', borderRadius: '50%' },
  '.cm-lint-marker-error': { content: 'normal', backgroundColor: 'var(--bad)' },
  '.cm-lint-marker-warning': { content: 'normal', backgroundColor: 'var(--warn)' },
  '.cm-beside': { paddingLeft: '2em', fontFamily: 'system-ui, sans-serif', fontSize: '12px', fontStyle: 'italic', whiteSpace: 'pre' },
  '.cm-beside-error': { color: 'var(--bad)' },
  '.cm-beside-warning': { color: 'var(--warn)' },
  '.cm-tooltip': { border: '1px solid var(--line)', borderRadius: '8px', backgroundColor: 'var(--card)', color: 'var(--text)', boxShadow: '0 4px 16px rgb(0 0 0 / .18)', overflow: 'hidden' },
  '.cm-tooltip-lint': { maxWidth: '34em' },
  '.cm-diagnostic': { padding: '.4em .8em', whiteSpace: 'pre-wrap' },
  '.cm-tooltip.cm-tooltip-autocomplete > ul': { fontFamily: 'var(--code)', maxHeight: '15em' },
  '.cm-tooltip.cm-tooltip-autocomplete > ul > li': { padding: '.15em .7em', lineHeight: '1.5' },
  '.cm-tooltip-autocomplete ul li[aria-selected]': { backgroundColor: 'var(--accent)', color: 'var(--on-accent)' },
  '.cm-completionDetail': { color: 'inherit', opacity: '.8', fontStyle: 'normal' },
  '.cm-completionMatchedText': { textDecoration: 'none', fontWeight: '700' },
  '.cm-tooltip.cm-completionInfo': { maxWidth: '26em', padding: '.6em .8em', whiteSpace: 'pre-wrap', lineHeight: '1.45' },
  '.cm-panels': { backgroundColor: 'var(--raised)', color: 'var(--text)', borderColor: 'var(--line)' },
  '.cm-textfield, .cm-button': { backgroundImage: 'none', backgroundColor: 'var(--card)', border: '1px solid var(--quiet)', borderRadius: '6px', color: 'inherit' },
});

const colours = HighlightStyle.define([
  { tag: [tags.propertyName, tags.definition(tags.propertyName)], color: 'var(--accent)' },
  { tag: [tags.comment, tags.lineComment], color: 'var(--quiet)', fontStyle: 'italic' },
  { tag: [tags.string, tags.special(tags.string)], color: 'var(--good)' },
  { tag: [tags.labelName, tags.typeName, tags.keyword], color: 'var(--warn)' },
]);

/** place returns where in the document a line and a column stand, which count from 1, and in characters as people do. */
function place(doc, line, column) {
  const at = doc.line(Math.max(1, Math.min(line, doc.lines)));
  const before = [...at.text].slice(0, column - 1).join('');
  return Math.min(at.from + before.length, at.to);
}

/** A message that stands behind its line. Screen readers have it from the page's list. */
class Beside extends WidgetType {
  constructor(severity, message) {
    super();
    Object.assign(this, { severity, message });
  }

  eq(other) { return other.severity === this.severity && other.message === this.message; }

  toDOM() {
    const span = document.createElement('span');
    span.className = `cm-beside cm-beside-${this.severity}`;
    span.setAttribute('aria-hidden', 'true');
    span.textContent = this.message;
    return span;
  }
}

const setBeside = StateEffect.define();

const beside = StateField.define({
  create: () => Decoration.none,
  update(shown, transaction) {
    for (const effect of transaction.effects) if (effect.is(setBeside)) return effect.value;
    return shown.map(transaction.changes);
  },
  provide: (field) => EditorView.decorations.from(field),
});

/** besides returns the first message of each line as a decoration at its end. */
function besides(doc, problems) {
  const lines = new Map();
  for (const p of problems) {
    const { number, to } = doc.line(Math.max(1, Math.min(p.line, doc.lines)));
    if (!lines.has(number)) lines.set(number, Decoration.widget({ widget: new Beside(p.severity, p.message.split('\n')[0]), side: 1 }).range(to));
  }
  return Decoration.set([...lines.values()], true);
}

/** hiddenRuns returns the runs of lines that begin with the mark, as ranges. */
function hiddenRuns(doc, mark) {
  const runs = [];
  for (let n = 1; n <= doc.lines; n++) {
    if (!doc.line(n).text.startsWith(mark)) continue;
    const first = n;
    while (n < doc.lines && doc.line(n + 1).text.startsWith(mark)) n++;
    if (n > first) runs.push({ from: doc.line(first).from, to: doc.line(n).to });
  }
  return runs;
}

/**
 * editor opens an editor in parent.
 *
 * label names it for screen readers, nonce is that by which the page's policy allows styles. hidden begins lines that
 * stand for others and are folded. complete(text, position) returns {from, options} for the caret, or null; an option has
 * label, detail, info and apply. changed() is called after each edit, moved(line) when the caret comes to another line.
 */
export function editor(parent, { label, nonce, hidden, complete, changed, moved }) {
  let line = 0;
  const extensions = [
    lineNumbers(), lintGutter(), foldGutter({ openText: '▾', closedText: '▸' }), highlightActiveLine(), highlightActiveLineGutter(),
    history(), drawSelection(), bracketMatching(), indentOnInput(), indentUnit.of('  '), search({ top: true }), highlightSelectionMatches(),
    codeFolding({
      preparePlaceholder({ doc }, { from, to }) {
        const lines = doc.lineAt(to).number - doc.lineAt(from).number;
        return doc.sliceString(from, from + hidden.length) === hidden ? `${lines + 1} lines that are not shown here` : `${lines} lines`;
      },
      placeholderDOM: (_, unfold, text) => {
        const button = document.createElement('button');
        button.className = 'cm-foldPlaceholder';
        button.textContent = text;
        button.title = 'Unfold';
        button.onclick = unfold;
        return button;
      },
    }),
    beside, yaml(), syntaxHighlighting(colours), look, EditorView.cspNonce.of(nonce),
    EditorView.contentAttributes.of({ 'aria-label': label, spellcheck: 'false', tabindex: '0' }),
    autocompletion({
      icons: false,
      activateOnTypingDelay: 60,
      override: [(context) => {
        const found = complete(context.state.doc.toString(), context.pos, context.explicit);
        return found && { from: found.from, options: found.options, validFor: /^[\w/-]*$/ };
      }],
    }),
    keymap.of([{ key: 'Tab', run: acceptCompletion }, ...completionKeymap, ...lintKeymap, ...searchKeymap, ...foldKeymap, ...historyKeymap, ...defaultKeymap, indentWithTab]),
    EditorView.updateListener.of((update) => {
      if (update.docChanged) changed();
      const now = update.state.doc.lineAt(update.state.selection.main.head).number;
      if (now !== line) moved(line = now);
    }),
  ];
  const create = (doc) => EditorState.create({ doc, extensions });
  const view = new EditorView({ parent, state: create('') });
  const states = new Map(); // name of a file -> its state while another is shown
  let shown;
  const fold = () => {
    const effects = hiddenRuns(view.state.doc, hidden).map((run) => foldEffect.of(run));
    if (effects.length > 0) view.dispatch({ effects });
  };
  return {
    /** open shows the file, as it was left, or with the text. */
    open(name, text) {
      if (shown !== undefined) states.set(shown, view.state);
      shown = name;
      const state = states.get(name);
      if (state && state.doc.toString() === text) return view.setState(state);
      view.setState(create(text));
      fold();
    },
    text: () => view.state.doc.toString(),
    /** replace puts another text in place of all, as an edit that can be undone. */
    replace(text) {
      view.dispatch({ changes: { from: 0, to: view.state.doc.length, insert: text } });
      fold();
    },
    /** mark shows problems, which have line, column, width, severity and message. */
    mark(problems) {
      const { doc } = view.state;
      view.dispatch({ effects: setBeside.of(besides(doc, problems)) }, setDiagnostics(view.state, problems.map(({ line, column, width, severity, message }) => {
        const from = place(doc, line, column);
        const to = Math.max(from, place(doc, line, column + width));
        return { from, to, severity, message };
      }).sort((a, b) => a.from - b.from)));
      // The list of problems may have taken room from the editor, also where somebody types.
      if (view.hasFocus) view.dispatch({ effects: EditorView.scrollIntoView(view.state.selection.main.head, { yMargin: 24 }) });
    },
    /** go moves the caret. */
    go(line, column) {
      const at = place(view.state.doc, line, column);
      view.dispatch({ selection: { anchor: at }, effects: EditorView.scrollIntoView(at, { y: 'center' }) });
      view.focus();
    },
    /** line is where the caret is. */
    line: () => view.state.doc.lineAt(view.state.selection.main.head).number,
  };
}
