"""Messages of errors and warnings, in one place. Each begins with its code."""

from typing import Any


class _WithCodes(type):
    """Puts the name of a message before it, as `spacy.errors` does."""

    def __getattribute__(cls, name: str) -> Any:
        message = super().__getattribute__(name)
        # Others are parts of messages.
        return f"[{name}] {message}" if name[1:].isdigit() else message


class Errors(metaclass=_WithCodes):
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
    E055 = (
        "Component '{name}' listens to an encoder that other components share, so it "
        "cannot be rehearsed: the encoder would change under it. Give it an encoder of "
        "its own first: nlp.replace_listeners('tok2vec', '{name}', ['model.tok2vec'])."
    )
    E054 = "Component '{name}' can use none of the gold spans. {report}"
    E004 = "`{setting}` must be {allowed}, but it is {value!r}."
    E005 = (
        "`{setting}` names {unknown}, but component '{name}' has the labels {labels}."
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
    E010 = (
        "No {name} split in {path}: no file or folder name contains '{name}', as "
        "{name}.jsonl does.{more}"
    )
    E011 = "No span recognizer{wanted} in the pipeline {names}."
    E012 = "No document in {path} has gold spans in {place}. {found}"
    E013 = (
        "The texts of pair {number} differ: gold starts with {gold!r}, predicted "
        "with {predicted!r}."
    )
    E014 = (
        "The shares of a split must be two or three numbers of at least 0, such as "
        "80,10,10 for train, dev and test, but they are {value!r}."
    )
    E015 = "No annotated file in {path}."
    E016 = (
        "{path} already has splits ({splits}), so --split cannot be used. To split one "
        "of its files, name that file. Two shares such as 90,10 split train into train "
        "and dev if there is no dev."
    )
    E017 = "{path} is a file, but there are several splits. Name a directory instead."
    E018 = "No file in {path} matches {pattern!r}, given by --split-files."
    E019 = (
        "--split-files must be train, dev or test and a file name pattern, such as "
        "'train=*_Train*.txt', but it is {value!r}."
    )
    E020 = (
        "Component '{name}' has a model whose classes {model}, and an objective, "
        "{objective}, whose classes {other}. SampledSoftmax.v1 goes with "
        "SpanClassifier.v1, the other objectives with the other architectures."
    )
    E021 = (
        "Component '{name}' found no candidates under doc.spans['{key}'] in {n_docs} "
        "documents. {found} Set `candidates_key` to the key that holds the given "
        "spans, or to null to score all spans. If a component of the pipeline finds "
        "them, it must come before this one."
    )
    E022 = (
        "The split {split!r} has the same documents in several formats: {formats}; "
        "{n} of them are in both. Use --format to read one of them."
    )
    E023 = (
        "--columns must name columns by number or by name, such as word=1,ner=4, but "
        "it is {value!r}."
    )
    E030 = (
        "`{setting}` of component '{name}' is {value!r}, but its weights were made "
        "with {built!r}. It can only be changed before the component is initialized."
    )
    E031 = (
        "Thresholds can reach a precision ({precision}) or a recall ({recall}), not "
        "both. Leave one of --precision and --recall out."
    )
    E043 = (
        "{place} is damaged, so the settings or weights of component '{name}' cannot "
        "be loaded: '{part}' is not as it was saved. Save the pipeline again."
    )
    E044 = (
        "The report takes the place of the folder {path} as a whole, but that is the "
        "folder where this command runs, or one around it. Name a folder for the "
        "report alone, such as {path}/report."
    )
    E045 = (
        "The learning rate cannot fall with the end of the training, which is not "
        "known with max_epochs = {epochs} and max_steps = {max_steps}. Set one of them "
        "above 0, or use a schedule that does not depend on it, such as constant.v1."
    )
    E046 = (
        "The training corpus has no documents, so the steps of the training cannot be "
        "counted. Check the path of [corpora.train], and its limit and max_length."
    )
    E040 = "No doc.spans[{key!r}] in the document; it has the keys {keys}."
    E041 = "No label {label!r}; the component has the labels {labels}."
    E042 = (
        "No component that scores spans{wanted} in the pipeline {names}."
        " Those that label sequences score tags."
    )
    E050 = "There is no setting '{name}'. {hint}The settings are: {settings}."
    E051 = (
        "A config file cannot hold `{setting}` of the labels {labels} in this form. "
        "Write it as {kind} instead: {setting} = {value}"
    )
    E052 = (
        "A config file cannot hold `{setting}` of the labels {labels}. Leave it out of "
        "the config, and once the component is initialized, set "
        "nlp.get_pipe('{name}').cfg['{setting}'], which is saved with the component."
    )
    E053 = (
        "Settings are not attributes. Set nlp.get_pipe('{name}').cfg['{setting}'] "
        "instead of the attribute `{setting}`."
    )
    E056 = (
        "{kind} is no head: it lacks {parts}. A head is a torch.nn.Module with "
        "`forward(hidden, layout)` and `resized(n_labels)`, see "
        "spacy_globalpointer.heads.Head."
    )
    E057 = (
        "Head {kind} gave scores of shape {got}. Expected {shape}: (number of labels, "
        "number of tokens, layout.width)."
    )
    E080 = (
        "Worker {rank} was ended by the signal {signal}, so the others were ended too. "
        "What was saved last is whole: go on with --resume."
    )
    E081 = "A worker failed, so the others were ended. {reason}"
    E082 = (
        "Several workers need a seed, from which all of them make the same weights and "
        "batches. Set `seed` in the section [training]."
    )
    E083 = (
        "There is no checkpoint {path} to go on from. Leave --resume out to train from "
        "the beginning."
    )
    E084 = (
        "The checkpoint {path} is of {saved} workers, but there are {given} now. Use "
        "as many as before."
    )
    E085 = (
        "The checkpoint is of another pipeline: {different}. Use the config and the "
        "corpus of before, or leave --resume out to train from the beginning."
    )
    E086 = (
        "Worker {rank} differs from the first one in {different}, so the training was "
        "ended. Do all workers have the same config, corpus, versions and kind of "
        "processor?"
    )
    E087 = (
        "torchrun has started {size} workers, and --workers asks for {workers} more. "
        "Leave --workers out."
    )
    E160 = "There is no file {path!r}."
    E161 = (
        "{what} needs a package that is not installed. Install it with "
        "pip install 'spacy-globalpointer[{extra}]'."
    )
    E162 = (
        "The name of {path} does not say the form of the file ({suffixes}, or packed "
        "with .gz or .zst). Name the form with --input-format."
    )
    E163 = "The text has {length:,} characters, more than nlp.max_length ({longest:,})."
    E164 = (
        "No component of the pipeline {names} names a key of doc.spans. Name the key "
        "with --spans-key."
    )
    E165 = (
        "{path} is there already, from {what}. Name another output, or replace it with "
        "--overwrite."
    )
    E166 = "Another process is writing {path}."
    E167 = (
        "Standard input is not the same as when {path} was begun. Give the same input, "
        "or begin again with --overwrite."
    )
    E168 = (
        "A worker process was killed, often for lack of memory. What is finished is "
        "kept: call the command again, with a smaller --n-process or --batch-size."
    )
    E172 = (
        "{path} is not a .spacy file, nor a directory of them. Convert it first: "
        "python -m spacy global-pointer convert {path} OUTPUT"
    )
    E173 = "{path} is damaged or not a .spacy file: {reason}"
    E174 = (
        "GPU {gpu_id} cannot be used: {reason}. Install spaCy for your version of "
        "CUDA, for example `pip install 'spacy[cuda12x]'`, or leave out --gpu-id."
    )
    E183 = "to_dataframe needs pandas: pip install pandas. to_records does without."
    E175 = "The code in {path} cannot be imported: {reason}"
    E176 = "{path} has no documents."
    E180 = "Unknown language {lang!r}: spaCy has no language with this code."
    E181 = "{path} exists and is not replaced. Delete it, or name another folder."
    E182 = "Give only one of --flat, --relations and --system, got {given}."
    E170 = "--ray cannot read standard input. Give a path or a URI."
    E171 = "The Ray cluster has no {resource} for a worker."
    E190 = (
        "--by disagreement needs another pipeline, --other MODEL, and nothing else "
        "takes one. Got --by {by} and --other {other}."
    )
    E191 = (
        "--by {by} needs a component of this package that writes doc.spans[{key!r}]; "
        "the pipeline has {names}. Use --by disagreement or --by random, or name "
        "another --spans-key."
    )
    E192 = (
        "--select writes the chosen documents to one file, or to a folder of brat; "
        "name a file instead of {output}."
    )
    E193 = (
        "`negative_spans_key` is the key of the gold spans, {key!r}. Rejected spans "
        "need separate keys."
    )
    E194 = (
        "There is no Ray cluster at {address}, or it does not answer: {reason}. On a "
        "busy machine a cluster may need a second call to start."
    )
    E169 = "{output} cannot be written to standard output; name a file."
    E201 = (
        "Component '{name}' found no relations: in {n_docs} documents of the training "
        "data, doc.spans[{key!r}].attrs['relations'] is missing or empty. It is a list "
        "of [head, tail, label], with positions in the group. Name another `spans_key` "
        "if the relations are under another key."
    )
    E200 = (
        "A relation or a discontinuous entity names the span at position {place} of "
        "doc.spans[{key!r}], which has {n_spans} spans. Positions count from 0. When "
        "spans are added or removed, change `relations` and `fragments` in the "
        "attributes of the group too."
    )


class Warnings(metaclass=_WithCodes):
    W001 = "Component '{name}' cannot use some of the gold spans. {report}"
    W002 = (
        "Component '{name}' learns nothing from {missing} of {n_docs} documents: they "
        "have no annotation in {place}, not even an empty one.{cause}"
    )
    W002_CUT = (
        " [{place}] has max_length = {max_length}: spaCy cuts longer documents into "
        "sentences, which have no doc.spans. Set it to 0, and cut the corpus with "
        "`convert --max-tokens` instead."
    )
    W025 = (
        "Component '{name}' has nothing to rehearse: call nlp.resume_training() first, "
        "which keeps a copy of the model as it is."
    )
    W020 = (
        "Component '{name}' cannot use some of the candidates under "
        "doc.spans['{key}']. {report}"
    )
    W024 = (
        "Component '{name}' found no candidates under doc.spans['{key}'] in {n_docs} "
        "documents, so labels and `max_length` are those of all gold spans. In "
        "training, a component before it must find the candidates: name it in "
        "[training] annotating_components, or as `annotates` of nlp.update."
    )
    W021 = (
        "Component '{name}' predicts nothing for documents without doc.spans['{key}']. "
        "For evaluation in training, read the corpus with "
        '@readers = "spacy_globalpointer.CandidatesCorpus.v1".'
    )
    W022 = (
        "Some of the candidates under doc.spans['{key}'] in {path} cannot be used. "
        "{report}"
    )
    W023 = (
        "Component '{name}' found more spans than `max_spans` in {n_docs} documents of "
        "a batch, up to {found} in one, and kept the {max_spans} most probable of "
        "each. Set `max_spans` higher to keep them all."
    )
    W030 = "No thresholds reach a {asked} on {path}; using the closest."
    W040 = (
        "Component '{name}' does not read doc.spans[{key!r}], rejected spans that "
        "{n_docs} documents have: everything in them that is no gold span counts as "
        "wrong. If they are annotated in part, set `negative_spans_key`."
    )
    W035 = (
        "`flat` = {old!r} is the old name of {new!r} and will be removed in the next "
        "release. Set flat = {new!r}."
    )
    W036 = (
        "There is no log of the training at {path}, so the report has no curves. "
        "`spacy.ConsoleLogger.v3` writes one to its `output_file`."
    )
    W034 = (
        "The score weights of [training.score_weights] name {weights}, but no "
        "component of the pipeline has these scores: it scores spans under {keys}. "
        "They count as 0, so the best model would be chosen blindly. Use spans_f, "
        "which is right with any `spans_key`."
    )
    W032 = (
        "{n_docs} of {total} documents in {path} have no annotation in {place} and are "
        "left out of the scores."
    )
    W033 = (
        "{n_tokens} tokens in {path} have no annotation in {place}. Predictions that "
        "touch them are left out of the scores."
    )
    W031 = (
        "Component '{name}' has no thresholds to choose: it predicts the best "
        "sequence of tags as a whole. Wrote {path} as it is. Name another component "
        "with --component if there is one."
    )
    W050 = (
        "Component '{name}' has more than `max_pairs` = {max_pairs} pairs of spans in "
        "{n_docs} documents of a batch, and scores those next to each other in the "
        "text. Set `max_pairs` higher to score them all, or `max_distance` lower."
    )
    W051 = "Component '{name}' cannot use some of the gold relations. {report}"
    W052 = (
        "Component '{name}' finds no relations in documents without spans: there is no "
        "doc.spans['{key}']. A component before it must fill this group."
    )
    W053 = (
        "Component '{name}' found more than {most} discontinuous entities in one "
        "document and kept the first {most}. Set the threshold of 'NEXT-PIECE' in "
        "`label_thresholds` higher."
    )
    W054 = (
        "Component '{name}' learns from what {finders} predict in training, but these "
        "listen to an encoder that is not among [training] annotating_components, so "
        "they would predict from vectors of zeros. Name the encoder there before them: "
        "{encoders}."
    )
