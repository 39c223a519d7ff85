"""Messages of errors and warnings, in one place."""


class Errors:
    E001 = (
        "Component '{name}' has not been initialized: it has no labels and no "
        "weights. Train it with `spacy train`, or call `nlp.initialize()` with "
        "examples."
    )
    E002 = (
        "Component '{name}' found no gold spans under doc.spans['{key}'] in "
        "{n_docs} documents. {found} Set `spans_key` to the key that holds the "
        'annotation, or `gold = "ents"` to learn from doc.ents.'
    )
    E003 = (
        "Component '{name}' found no entities in doc.ents of {n_docs} documents. "
        '{found} Set `gold = "spans"` and `spans_key` to learn from doc.spans.'
    )
    E004 = "`{setting}` must be {allowed}, but it is {value!r}."
    E005 = (
        "`label_thresholds` names {unknown}, but component '{name}' has the labels "
        "{labels}."
    )
    E006 = "A label must be a string, but {value!r} is of type {type}."
    E007 = (
        "Component '{name}' cannot be loaded: {reason}. What was saved is incomplete, "
        "damaged or of another version; save the pipeline again."
    )
    E008 = (
        "The weights of component '{name}' do not fit its labels and widths: "
        "{reason}. What was saved is incomplete, damaged or of another version; save "
        "the pipeline again."
    )
    E009 = "{path}, line {line}: {reason}."
    E010 = "No file of the form {name}.jsonl or {name}.jsonl.gz in {path}."
    E011 = "No span recogniser{wanted} in the pipeline {names}."
    E012 = "No document in {path} has gold spans under doc.spans['{key}']. {found}"
    E013 = (
        "The texts of pair {number} differ: gold starts with {gold!r}, predicted "
        "with {predicted!r}."
    )
    E020 = (
        "Component '{name}' has a model whose classes {model}, and an objective, "
        "{objective}, whose classes {other}. SampledSoftmax.v1 goes with "
        "SpanClassifier.v1, the other objectives with the other architectures."
    )
    E021 = (
        "Component '{name}' found no candidates under doc.spans['{key}'] in {n_docs} "
        "documents. {found} Set `candidates_key` to the key that holds the given "
        "spans, or to null to score all spans."
    )
    E030 = (
        "`{setting}` of component '{name}' is {value!r}, but its weights were made "
        "with {built!r}. It can only be changed before the component is initialized."
    )
    E031 = (
        "Component '{name}' has no thresholds to choose: it predicts the best "
        "sequence of tags as a whole. Name another component with --component."
    )
    E040 = "No doc.spans[{key!r}] in the document; it has the keys {keys}."
    E041 = "No label {label!r}; the component has the labels {labels}."
    E042 = (
        "No component that scores spans{wanted} in the pipeline {names}."
        " Those that label sequences score tags."
    )


class Warnings:
    W001 = "Component '{name}' cannot use some of the gold spans. {report}"
    W020 = (
        "Component '{name}' cannot use some of the candidates under "
        "doc.spans['{key}']. {report}"
    )
    W021 = (
        "Component '{name}' finds no spans in documents without candidates: there is "
        "no doc.spans['{key}']. For evaluation in training, read the corpus with "
        '@readers = "spacy_globalpointer.CandidatesCorpus.v1".'
    )
    W022 = (
        "Some of the candidates under doc.spans['{key}'] in {path} cannot be used. "
        "{report}"
    )
