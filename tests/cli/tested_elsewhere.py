"""Messages without a row in `mistakes.py`, and the test that each of them has.

They need a package, a network, another process, a disk that is full, or a value that only Python can give.
"""

CONTAINERS = "tasks/sentiment/test_containers.py"
WRONG_TEXTS = f"{CONTAINERS}::test_what_is_no_list_of_texts_is_named"
HUB = "training/test_hub.py"
VOCABULARY = "exchange/test_vocabularies.py::test_what_is_no_vocabulary_is_named"
TAKEN_OVER = "parity/test_exchange.py::test_what_cannot_be_taken_over_is_named"
OTHER_MODELS = "parity/test_exchange.py::test_models_and_texts_of_other_kinds_are_named"
CROSS_VALIDATION = "tasks/sentiment/test_cross_validation.py"
ONNX, WEB = "exchange/test_onnx.py", "exchange/test_web.py"
EXPORT_FOLDER = "exchange/test_export_folder.py"
SERVER = "server/test_interface.py"
DISTRIBUTED = "training/test_distributed.py"
ELSEWHERE = {
    "processes were started together, which needs the packages mpi4py and mpich ... ; install them on": (
        f"{DISTRIBUTED}::test_without_the_extra_a_launcher_is_told_what_to_install"
    ),
    "has out or overwrite, which --out of the sweep decides; remove it": "cli/test_sweep.py::test_mistakes_of_a_sweep",
    "was not written by a sweep; remove it, and give the same command": "cli/test_sweep.py::test_mistakes_of_a_sweep",
    "or in how an accent is written, and so one run; give them": "cli/test_sweep.py::test_mistakes_of_a_sweep",
    "was begun with ... ; give the option as it was, or remove": (
        "cli/test_sweep.py::test_a_stopped_run_of_other_options_is_not_resumed"
    ),
    "is a run of the task ... ; give another --out": (
        "cli/test_sweep.py::test_a_result_of_other_options_data_or_task_is_not_shown"
    ),
    "got other weights while it was opened; give the same command": (
        "cli/test_files.py::test_a_model_that_changes_while_it_is_opened_is_refused"
    ),
    "has no figures that can be added up; remove it": "cli/test_files.py::test_figures_that_cannot_be_added_up",
    "processes were started together, and MPI knows of": f"{DISTRIBUTED}::test_another_mpi_than_that_of_the_launcher",
    "the processes of one launcher were asked for different things": (
        f"{DISTRIBUTED}::test_processes_with_different_options_are_refused"
    ),
    "has other data than process 0; give all of them the same files": (
        f"{DISTRIBUTED}::test_processes_with_other_data_or_kernels_are_refused"
    ),
    "has another installation than process 0": f"{DISTRIBUTED}::test_processes_with_other_data_or_kernels_are_refused",
    "is not in the folder ... , which is here, so it is not looked for on the Hub; give": (
        f"{HUB}::test_a_folder_wins_over_the_hub"
    ),
    "of the Hub is not an rnnnlp model; give the name of one": (
        f"{HUB}::test_a_revision_is_a_branch_a_tag_or_a_commit"
    ),
    "is on the Hub already, and everybody can see it; make it private": f"{HUB}::test_what_cannot_be_pushed_is_named",
    "is not a valid name of a model on the Hub; write it as owner/name": f"{HUB}::test_what_cannot_be_pushed_is_named",
    "has no figures of a data set and split; evaluate again": f"{HUB}::test_what_cannot_be_pushed_is_named",
    "is a link, which is not uploaded; put the file itself there": f"{HUB}::test_what_cannot_be_pushed_is_named",
    "this computer cannot keep or read its files": f"{HUB}::test_a_cache_that_cannot_be_written_is_said",
    "the Hub sent an invalid answer": f"{HUB}::test_names_of_files_that_leave_the_folder_are_refused",
    "the YAML at the top of": f"{HUB}::test_a_card_whose_yaml_cannot_be_read_is_said",
    "huggingface_hub is not installed; run: pip install huggingface_hub": (
        f"{HUB}::test_without_the_library_one_line_says_what_to_install"
    ),
    "is not a name that the Hub allows; check it": f"{HUB}::test_a_name_that_no_model_has_is_refused_without_the_hub",
    "HF_HUB_OFFLINE is set and it is not in the cache": f"{HUB}::test_without_a_network_what_is_in_the_cache_is_used",
    "the Hub gives it only to those who accept its terms; do so on its page": (
        f"{HUB}::test_a_gated_model_says_where_its_terms_are"
    ),
    "of it; give a branch, a tag or a commit": f"{HUB}::test_a_missing_revision_is_named",
    "the Hub had too many requests from here; wait": f"{HUB}::test_too_many_requests_say_how_long_to_wait",
    "the Hub has no such model, or it is private; check the name": f"{HUB}::test_a_model_that_is_nowhere_is_named",
    "the Hub does not allow it with this token, or none": f"{HUB}::test_a_hub_that_fails_is_said",
    "the Hub cannot be reached at": f"{HUB}::test_without_a_network_what_is_in_the_cache_is_used",
    "the Hub fails with status": f"{HUB}::test_a_hub_that_fails_is_said",
    "the Hub refuses it ({}); correct --license": "training/test_push.py::test_what_the_hub_refuses_is_said",
    "is ... , which is not in the vocabulary; leave it out": VOCABULARY,
    "and a tokenizer has its own unknown symbol; leave it out": VOCABULARY,
    "which stands for the unknown here; leave unknown out, or rename": VOCABULARY,
    "the ids of the vocabulary must be those from 0": VOCABULARY,
    "; give its characters or words in order": VOCABULARY,
    "the vocabulary has the entry": VOCABULARY,
    "twice; give each entry once": VOCABULARY,
    "nonlinearity is": TAKEN_OVER,
    "pooling is ... ; it must be one of last, mean": TAKEN_OVER,
    "rows; give all of them in the order of their ids": TAKEN_OVER,
    "the weights are not a state dict; give": TAKEN_OVER,
    "the state dict has the matrices": TAKEN_OVER,
    "; only an embedding, recurrent layers and a linear layer": TAKEN_OVER,
    "do not fit recurrent layers of": TAKEN_OVER,
    "there must be one nn.LSTM, nn.GRU or nn.RNN": TAKEN_OVER,
    "the LSTM has projections (proj_size); train": TAKEN_OVER,
    "arrays, which are not all those of one nn.LSTM": TAKEN_OVER,
    "read in both directions, as no language model can; give labels": TAKEN_OVER,
    "give labels if this is a classifier": TAKEN_OVER,
    "; give one for each, in their order": TAKEN_OVER,
    "; give the pooling of the model": TAKEN_OVER,
    "has the shape ... , which does not fit; give the weights": TAKEN_OVER,
    "the state dict lacks ... , which such a model has; give all of": TAKEN_OVER,
    "that can be read safely": "parity/test_exchange.py::test_a_file_with_code_is_not_run",
    "; give a classifier or a character language model": OTHER_MODELS,
    "texts is empty; give at least one text": OTHER_MODELS,
    "] is missing; leave it out, or give a text": OTHER_MODELS,
    "have different lengths, or none; give one text at a time": OTHER_MODELS,
    "has no counterpart in PyTorch": "parity/test_exchange.py::test_a_cell_that_torch_cannot_compute_is_refused",
    "is not installed; install it with: pip install torch": (
        "parity/test_exchange.py::test_without_torch_one_line_says_what_to_install"
    ),
    "batch_size is {}; it must be at least 1, or None": f"{CONTAINERS}::test_a_stream_is_answered_while_it_is_read",
    "has the string {} as column": WRONG_TEXTS,
    "has columns of different lengths, {}": f"{CONTAINERS}::test_columns_of_different_lengths_are_named",
    "give one of these, such as data[": f"{CONTAINERS}::test_what_is_no_list_of_texts_is_named",
    "the data are a lazy {}; expected a table with rows": WRONG_TEXTS,
    "callbacks is {}; expected a list": (
        "training/test_reporting.py::test_what_is_no_callback_and_a_tracker_that_is_missing"
    ),
    "callbacks has {}; expected objects of subclasses": (
        "training/test_reporting.py::test_what_is_no_callback_and_a_tracker_that_is_missing"
    ),
    "which needs the package {}; install it: pip install": (
        "training/test_reporting.py::test_what_is_no_callback_and_a_tracker_that_is_missing"
    ),
    "whose files are in the run folder, and no run is kept; give out": (
        "training/test_reporting.py::test_what_is_no_callback_and_a_tracker_that_is_missing"
    ),
    "and npm is not there to install them; install Node.js": f"{WEB}::test_libraries_that_are_not_to_be_had",
    "check the connection, or give --libraries": f"{WEB}::test_libraries_that_are_not_to_be_had",
    "cannot be read ({}); give --libraries the node_modules folder": (
        f"{EXPORT_FOLDER}::test_libraries_that_cannot_be_read_are_named"
    ),
    "that is not of the export, so nothing there is replaced; move": (
        f"{EXPORT_FOLDER}::test_files_of_the_user_stay_whatever_their_names_are"
    ),
    "its patterns cannot be read in a browser": f"{WEB}::test_patterns_of_version_0_2_are_refused",
    "the logits of the ONNX graph differ by up to": f"{ONNX}::test_a_graph_that_differs_is_refused",
    "which has no ONNX graph; export": f"{ONNX}::test_what_cannot_be_exported",
    "is not empty and no export; give the name": f"{ONNX}::test_a_folder_that_is_no_export_is_left_alone",
    "already holds an export; give --overwrite": f"{ONNX}::test_a_folder_for_others",
    "bytes, and an ONNX file has at most": f"{ONNX}::test_what_cannot_be_exported",
    "has no counterpart in ONNX": f"{ONNX}::test_a_cell_that_nodes_cannot_compute_is_refused",
    "the text has no token; give one that the tokenizer": (
        "analysis/test_hidden_units.py::test_a_text_without_a_token_is_refused"
    ),
    "is not there; the model has": f"{SERVER}::test_inspection_shows_surprise_and_units",
    "cells has {}; there are {}: give some of these": f"{SERVER}::test_a_cell_that_is_none_is_named",
    "a unit has no value": f"{SERVER}::test_inspection_shows_surprise_and_units",
    "are looked at: give fewer": f"{SERVER}::test_inspection_shows_surprise_and_units",
    "there is no ... ; served are: ": f"{SERVER}::test_a_mistake_is_refused_in_one_line",
    "holds no model; give the run folders of": f"{SERVER}::test_options_that_would_open_the_server",
    "is served; start the server with the folder of one": f"{SERVER}::test_a_token_is_needed",
    "is one of another kind now; try again": (
        "server/test_catalogue.py::test_a_model_that_became_one_of_another_kind_since_the_last_look"
    ),
    "is not served any more": f"{SERVER}::test_a_model_that_goes_while_it_is_opened",
    "cannot be opened; see the log": f"{SERVER}::test_a_model_that_changes_is_opened_again_and_a_damaged_one_is_not",
    "the threshold has the label": f"{SERVER}::test_a_threshold_decides",
    "cannot be listened on": f"{SERVER}::test_options_that_would_open_the_server",
    "is not there any more; restore it, or train again": (
        f"{CROSS_VALIDATION}::test_without_its_cross_validation_a_run_does_not_go_on"
    ),
    "and a cross-validation says nothing of": f"{CROSS_VALIDATION}::test_a_run_with_folds_keeps_its_limits",
    "has the figures of one of the files; give": "cli/test_files.py::test_the_total_replaces_nothing_that_is_read",
    "there is no text to measure on; give two": "cli/test_evaluate.py::test_a_baseline_needs_texts_to_measure_on",
    "text_column is 0; it must be a string, as '0'": f"{CONTAINERS}::test_a_number_as_the_name_of_a_column_is_refused",
    "data has no text with a label": f"{CONTAINERS}::test_runs_of_python_become_an_ensemble_on_given_texts",
    "ngrams is not ascending; restore": f"{CROSS_VALIDATION}::test_a_forged_linear_model_is_refused",
    "the stacking weights are": f"{CROSS_VALIDATION}::test_a_forged_linear_model_is_refused",
    "and no model is named; give a run, or": (
        "cli/test_predict_without_a_run.py::test_texts_to_label_need_a_model_that_is_named"
    ),
    "is not of this run and its data; restore": (
        "tasks/sentiment/test_cross_validation.py::test_a_forged_file_is_refused"
    ),
    "is too large for the data; restore": "tasks/sentiment/test_cross_validation.py::test_a_forged_file_is_refused",
    "has a validation split; leave the option out, or give data without": (
        "tasks/sentiment/test_cross_validation.py::test_folds_need_texts_that_may_be_divided"
    ),
    "with a cross-validation, so none is left to validate on; its figures": (
        "tasks/sentiment/test_cross_validation.py::test_no_text_that_was_trained_on_validates"
    ),
    "was moved or removed while a run trained there, so nothing more is written; resume": (
        "training/test_folder_lock.py::test_a_run_does_not_write_into_a_folder_that_took_its_place"
    ),
    "the weights are so large that the model gives no probabilities; restore": (
        "tasks/sentiment/test_forged.py::test_weights_that_give_no_numbers_are_refused"
    ),
    "its weights are so large that nothing can be measured; restore": (
        "tasks/sentiment/test_forged.py::test_weights_that_give_no_numbers_are_refused"
    ),
    "cannot be read (Permission denied); make it readable, or give another folder": (
        "training/test_hostile_folders.py::test_a_model_that_this_user_may_not_read_is_named"
    ),
    "is native, which cannot be loaded ({}); install a C++17 compiler": (
        "kernels/test_running.py::test_a_library_that_cannot_be_loaded_is_named_with_its_error"
    ),
    "log_temperature is {}; training gives a value from {} to {}: restore": (
        "tasks/sentiment/test_forged.py::test_a_temperature_that_no_training_gives_is_refused"
    ),
    "runs is one path, runs/a; it must be a list of two or more": (
        "tasks/sentiment/test_stacking.py::test_one_path_is_no_list"
    ),
    "cannot be written (No space left on device); make room on": (
        "training/test_disk.py::test_a_full_disk_ends_the_run_and_leaves_the_checkpoints"
    ),
    "holds a model of type {}; an ensemble is needed here": (
        "tasks/sentiment/test_ensemble.py::test_another_model_is_no_ensemble"
    ),
    "--out {} cannot be written ({}); give another path": (
        "analysis/test_plots.py::test_a_picture_that_cannot_be_written"
    ),
    "--baseline finds no words in the training texts": (
        "analysis/test_linear_baseline.py::test_texts_without_a_word_are_an_error"
    ),
    "is not a local path, and the Hub cannot be reached (": "text/test_sources.py::test_hub_names_that_do_not_load",
    "is not a local path, and does not load from the Hub": "text/test_sources.py::test_hub_names_that_do_not_load",
    "cannot read {}: {}; check the path and": "text/test_decoding.py::test_unreadable_path",
    "is compressed by {}; expected text: unpack it": "text/test_decoding.py::test_standard_input_that_is_no_text",
    "standard input is JSON; expected one text": "text/test_decoding.py::test_standard_input_that_is_no_text",
    "has the splits {}; expected one of": (
        "text/test_sources.py::test_a_data_set_of_the_hub_whose_splits_have_other_names"
    ),
    "there is no text to fit weights on;": (
        "tasks/sentiment/test_stacking.py::test_data_that_have_become_too_few_to_hold_out_some"
    ),
    "sample_weight is 0 for every text": f"{CONTAINERS}::test_weights_of_the_rows_that_count",
    "looks like the text itself; expected the name": "text/test_sources.py::test_names_of_no_data",
    "cannot write the cache {} ({}), nor the": "text/test_corpus.py::test_failed_entries_leave_nothing",
    "holds more than {} times its size, as a": "text/test_limits.py::test_a_file_does_not_expand_without_limit",
    "has a text of more than {} characters; divide": "text/test_limits.py::test_parquet_files_with_large_values",
    "has several values in a row; expected one": "text/test_limits.py::test_parquet_columns_of_lists",
    "the schema of {} names {} classes": "text/test_limits.py::test_schemas_with_thousands_of_classes",
    ": a row has more than {} characters": "text/test_limits.py::test_quoted_records_of_many_lines",
    "columns; expected a table of texts: give": "text/test_limits.py::test_tables_of_many_columns",
    "an object of more than {} parts; expected": "text/test_limits.py::test_json_objects_of_many_parts",
    "changed while it was read; try again": "text/test_corpus.py::test_text_that_changes_while_it_is_read",
    "; install rnnnlp again, or clone": "text/test_sources.py::test_sample_reviews_in_an_installed_package",
    "tokenizer is {}; it must be one of": "text/test_tokenizers.py::test_wrong_options",
    "has no meaning for a {} tokenizer; leave it": "text/test_tokenizers.py::test_wrong_options",
    "normalizer is {}; it must be one of": "text/test_tokenizers.py::test_wrong_options",
    "; expected a folder with a saved tokenizer": "text/test_tokenizers.py::test_missing_file",
    "which this version does not know any more": "test_config.py::test_fields_of_the_first_runs",
    "is not fitted yet; call fit first, or": "tasks/test_estimators.py::test_before_fit_it_says_what_to_do",
    "validation_data is given beside a path": (
        "tasks/test_estimators.py::test_a_character_model_from_a_path_or_from_texts"
    ),
    "there are no texts with labels; give some": f"{CONTAINERS}::test_labels_and_weights_that_are_refused",
    "validation_data has no text with a label": f"{CONTAINERS}::test_validation_data_that_are_refused",
    "has paths of files, such as {}; it must be": WRONG_TEXTS,
    "data has {} elements; it must be a name": f"{CONTAINERS}::test_runs_of_python_become_an_ensemble_on_given_texts",
    "the given labels are of the classes {}, and": (
        f"{CONTAINERS}::test_a_run_is_resumed_with_its_own_labels_and_weights_only"
    ),
    "errors is {}; it must be as for bytes.decode": (
        "tasks/test_estimators.py::test_options_of_generate_that_are_refused"
    ),
    "there is no standard input; give": "cli/test_reading.py::test_standard_input_that_is_closed_or_a_table",
    "standard input is a table with a header": "cli/test_reading.py::test_standard_input_that_is_closed_or_a_table",
    "is a pipe or a device; expected a file": "cli/test_reading.py::test_pipes_and_names_that_are_no_unicode",
    "which has bytes that are not UTF-8; give": "cli/test_reading.py::test_pipes_and_names_that_are_no_unicode",
    "is taken for the texts and for the labels": "cli/test_reading.py::test_one_column_for_both_and_output_over_input",
    "is the name of a file; to classify its": "cli/test_reading.py::test_a_text_that_is_the_name_of_a_file",
    "is a file that this command reads; give another": (
        "cli/test_reading.py::test_one_column_for_both_and_output_over_input"
    ),
    "is a link, a folder or a special file; a regular": "training/test_hostile_folders.py::test_a_lock_that_is_no_file",
    "is a link to another folder, which is not followed": (
        "training/test_hostile_folders.py::test_folders_that_are_links_are_refused"
    ),
    "is already there; give --overwrite to replace it, or another --out": (
        "cli/test_quickstart.py::test_what_is_there_is_replaced_only_if_asked_for"
    ),
    " bytes for {} entries, and at most": "training/test_limits.py::test_a_vocabulary_that_could_not_be_read_again",
    "config.json would have {} bytes, and at most {} are read again; give fewer": (
        "training/test_limits.py::test_a_configuration_that_could_not_be_read_again"
    ),
    "config.json would have {} brackets, and at most {} are": (
        "training/test_limits.py::test_labels_with_brackets_that_could_not_be_read_again"
    ),
    "would have a header of {} bytes, and at most {} are read": (
        "training/test_limits.py::test_tensors_that_could_not_be_read_again"
    ),
    "the labels have {} bytes in all, and a model": "training/test_limits.py::test_labels_that_are_texts",
    "quantize is {}; it must be int8, or None for": (
        "training/test_quantization.py::test_a_kind_that_there_is_not_is_refused"
    ),
    "has checkpoints, from which training goes on in float32; give": (
        "training/test_quantization.py::test_a_run_that_can_be_resumed_is_not_replaced"
    ),
    "has values that are not finite, which int8 cannot hold; train": (
        "training/test_quantization.py::test_values_that_are_not_finite_cannot_be_rounded"
    ),
    "without scales that fit: float32 {}, finite and at least 0; restore": (
        "training/test_quantization.py::test_a_forged_folder_is_refused"
    ),
    "where config.json says int8; restore both or export": (
        "training/test_quantization.py::test_a_forged_folder_is_refused"
    ),
    "has a {} that is not of a whole model of rnnnlp": (
        "training/test_overwriting.py::test_a_model_is_not_saved_over_files_of_others"
    ),
    "has a config.json that is not of a run, or is damaged": (
        "training/test_overwriting.py::test_the_folder_of_another_library_is_not_replaced"
    ),
    "is also a local path; give the path alone": (
        "text/test_sources.py::test_a_local_folder_does_not_stand_for_a_name_of_the_hub"
    ),
    "the given labels are all": "tasks/test_estimators.py::test_labels_that_do_not_fit_are_named",
    "there are {} texts and {} {}; give one for": "tasks/test_estimators.py::test_labels_that_do_not_fit_are_named",
    "sample_weight has a value that is": "tasks/test_estimators.py::test_labels_that_do_not_fit_are_named",
    "is one string, {}; it must be several": WRONG_TEXTS,
    "; it must be texts, such as a list": WRONG_TEXTS,
    "; every text must be a string": WRONG_TEXTS,
    "prompt is {}; it must be a string": "tasks/test_estimators.py::test_options_of_generate_that_are_refused",
    "seed is {}; it must be at least 0": "tasks/test_estimators.py::test_options_of_generate_that_are_refused",
    "n is {}; it must be at least 1": "tasks/sentiment/test_uncertain.py::test_less_than_one_text_is_refused",
    "validation_data must be a pair (texts, labels)": f"{CONTAINERS}::test_validation_data_that_are_refused",
    "there is no text with a label; give at": f"{CONTAINERS}::test_missing_texts_have_an_answer_that_says_so",
    "labels has a missing value; give the label": f"{CONTAINERS}::test_labels_to_explain",
    "; every text must be one string: join": WRONG_TEXTS,
    "is a dict with {}; give the strings of": WRONG_TEXTS,
    "sample_weight must be one number for each": f"{CONTAINERS}::test_labels_and_weights_that_are_refused",
    "has the shape {}; it must be texts": WRONG_TEXTS,
    "is bytes that are not UTF-8; decode": WRONG_TEXTS,
    "is one string, {}; it must be one label": "text/test_labels.py::test_containers_that_are_none_of_labels",
    "; it must be one label for each text: of": "text/test_labels.py::test_containers_that_are_none_of_labels",
    "is a set, which has no order; it must be texts": WRONG_TEXTS,
    "is a set, which has no order; it must be one": "text/test_labels.py::test_containers_that_are_none_of_labels",
    "is {}; it must be one label for each text, such": "text/test_labels.py::test_containers_that_are_none_of_labels",
    "has the columns {}; give the one with": "text/test_labels.py::test_containers_that_are_none_of_labels",
    "; a classifier needs few classes: give": "text/test_labelled.py::test_labels_that_are_refused",
    ": a label is a name, a number, or true": "text/test_labels.py::test_containers_that_are_none_of_labels",
    "its data, {}, are not at {}; give": (
        "training/test_life_of_a_run.py::test_data_that_are_gone_are_named_with_the_places_and_the_remedy"
    ),
    "was trained on texts that Python gave, which are": (
        "training/test_life_of_a_run.py::test_a_run_of_python_says_what_to_give"
    ),
    "RNNNLP_CACHE is {}, and this user has no home": (
        "text/test_corpus.py::test_cache_below_a_home_folder_that_is_not_known"
    ),
    "is not private to this user; remove it, or": (
        "text/test_corpus.py::test_cache_of_another_user_in_the_temporary_folder"
    ),
    "--data {} is in the run that --out {} replaces; copy": (
        "training/test_overwriting.py::test_data_in_the_run_that_is_replaced_are_refused"
    ),
    "cannot be locked: it is removed or replaced each time; stop": (
        "training/test_folder_lock.py::test_a_lock_file_that_is_removed_each_time_is_no_lock"
    ),
    "is in use: another process or thread writes a model there; wait": (
        "training/test_overwriting.py::test_a_second_save_at_any_moment_of_the_first_is_refused"
    ),
    "is in use: {} trains in it; wait": "cli/test_errors.py::test_a_second_run_in_one_folder_is_refused",
    "is not a folder, and no bundled model has that name; give the folder of": (
        "cli/test_predict_without_a_run.py::test_names_of_bundled_models_wherever_a_run_is_named"
    ),
    "is not a folder; give the folder of a trained model, or, if it is a text, also --model": (
        "cli/test_predict_without_a_run.py::test_a_mistyped_run_is_no_text"
    ),
    "script, which no bundled model knows ({}); train a": (
        "cli/test_predict_without_a_run.py::test_a_script_that_no_model_knows"
    ),
    "there are no letters in what was given, so its language cannot be told": (
        "cli/test_predict_without_a_run.py::test_a_script_that_no_model_knows"
    ),
    "no model is bundled with this installation; give the run folder of": (
        "cli/test_predict_without_a_run.py::test_without_bundled_models"
    ),
    "is not a list of models; install rnnnlp again": (
        "cli/test_predict_without_a_run.py::test_the_list_of_bundled_models"
    ),
}
