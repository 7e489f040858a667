// A YAML editor, by CodeMirror.
import { defaultKeymap, history, historyKeymap } from '@codemirror/commands';
import { yaml } from '@codemirror/lang-yaml';
import { EditorState } from '@codemirror/state';
import { EditorView, keymap, lineNumbers } from '@codemirror/view';

/** editor opens an editor of text in parent. nonce is the one that the page's policy allows styles by. */
export function editor(parent, { text, nonce }) {
  const view = new EditorView({
    parent,
    state: EditorState.create({
      doc: text,
      extensions: [lineNumbers(), history(), keymap.of([...defaultKeymap, ...historyKeymap]), yaml(), EditorView.cspNonce.of(nonce)],
    }),
  });
  return { text: () => view.state.doc.toString() };
}
