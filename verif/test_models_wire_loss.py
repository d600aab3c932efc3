# SPDX-License-Identifier: Apache-2.0
"""Wire loss: the table by lines in turns against the whole network solved at once."""

import pytest
import torch

from spikeloom.models.golden.conductance import Device, make_image
from spikeloom.models.golden.errors import GoldenError
from spikeloom.models.golden.wire_loss import Wires, effective_table
from spikeloom.rtl.config import CrossbarConfig


def _solved(cells, wires, active):
    """Return the currents of the columns: Kirchhoff's law at all nodes, as one system."""
    rows, columns = cells.shape
    matrix = torch.zeros(2 * rows * columns, 2 * rows * columns, dtype=torch.float64)
    right = torch.zeros(len(matrix), dtype=torch.float64)

    def node(level, row, column):
        return (level * rows + row) * columns + column

    def tie(first, second, conductance):
        for place, other in ((first, second), (second, first)):
            matrix[place, place] += conductance
            matrix[place, other] -= conductance

    wire = 1 / wires.segment
    for row in range(rows):
        source = 1 / (wires.driver + wires.segment)
        matrix[node(0, row, 0), node(0, row, 0)] += source
        right[node(0, row, 0)] += source * active[row]
        for column in range(columns):
            tie(node(0, row, column), node(1, row, column), cells[row, column])
            if column:
                tie(node(0, row, column - 1), node(0, row, column), wire)
            if row:
                tie(node(1, row - 1, column), node(1, row, column), wire)
    for column in range(columns):
        matrix[node(1, rows - 1, column), node(1, rows - 1, column)] += wire
    volts = torch.linalg.solve(matrix, right)
    return volts[node(1, rows - 1, 0):] * wire


@pytest.mark.parametrize("segment, driver", [(0.0001, 0.0), (0.002, 0.01), (0.02, 0.1)])
def test_table_gives_the_currents_of_the_network(segment, driver):
    generator = torch.Generator().manual_seed(1)
    cells = torch.rand(12, 9, generator=generator, dtype=torch.float64)
    wires = Wires(segment=segment, driver=driver)
    table = effective_table(cells, wires)
    assert bool((table.sum(0) < cells.sum(0)).all())  # sneak paths help single cells
    for density in (0.2, 1.0):
        active = (torch.rand(12, generator=generator) < density).double()
        torch.testing.assert_close(active @ table, _solved(cells, wires, active),
                                   rtol=1e-9, atol=1e-9)


def test_no_wires_no_loss():
    cells = torch.rand(5, 7, dtype=torch.float64, generator=torch.Generator().manual_seed(2))
    torch.testing.assert_close(effective_table(cells, Wires()), cells, rtol=1e-6, atol=1e-6)


def test_far_cells_lose_most():
    config = CrossbarConfig(rows=32, columns=32)
    weights = torch.full((32, config.outputs), 127)
    image = make_image(weights, config, Device(wires=Wires(segment=1e-4)))
    ideal = make_image(weights, config)
    loss = (ideal.cells - image.cells)[:, :4]  # all at the highest level
    assert int(loss[0, 0]) > int(loss[31, 0]) > 0
    wide = (ideal.cells - image.cells)[31, ::8]
    assert wide.tolist() == sorted(wide.tolist())


def test_refusals():
    with pytest.raises(GoldenError, match="segment and driver must be at least 0, not -1 and 0.0"):
        Wires(segment=-1)
