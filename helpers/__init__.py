"""What the chapters share: data, training, figures and measuring."""
from helpers.checking import check
from helpers.data import FashionMNIST, load_photograph, load_sample
from helpers.drawings import (
                             show_block,
                             show_chain,
                             show_channels,
                             show_norms,
)
from helpers.figures import (
                             plot,
                             show_points,
                             show_runs,
                             show_seeds,
)
from helpers.measure import (
                             count_macs,
                             count_parameters,
                             interval,
                             layer_summary,
                             receptive_field,
                             spreads,
)
from helpers.pictures import (
                             show_confusion,
                             show_images,
                             show_matrices,
                             show_window,
)
from helpers.records import (
                             load_record,
                             load_records,
                             load_runs,
                             load_weights,
                             show_record,
)
from helpers.training import Trainer, init_he, short_training
