"""Errors of the user: the names of options in their messages."""

import pickle

import pytest

from rnnnlp.errors import UserError, option
from rnnnlp.files import CorruptFileError
from rnnnlp.training.divergence import Diverged


@pytest.mark.parametrize("kind", [UserError, CorruptFileError])
def test_python_reads_the_plain_names_of_options_and_the_command_line_its_own(kind: type[UserError]):
    error = kind(f"{option('hidden_size')} is 0; it must be at least 1")
    plain = "hidden_size is 0; it must be at least 1"
    for one in (error, pickle.loads(pickle.dumps(error)), kind(error.marked)):
        assert (str(one), f"{one}", one.args) == (plain, plain, (plain,))
        assert repr(one) == f"{kind.__name__}('{plain}')"
        assert one.command_line == "--hidden-size is 0; it must be at least 1"


def test_a_divergence_keeps_its_remedy():
    error = Diverged("the loss is nan")
    for one in (error, pickle.loads(pickle.dumps(error))):
        assert str(one) == "the loss is nan; train again with a smaller lr"
        assert one.command_line == "the loss is nan; train again with a smaller --lr"
