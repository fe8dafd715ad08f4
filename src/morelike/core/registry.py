"""One literal table from name to class. To add a family or a codec: one file, one line here. It fails loudly.

A line names a class, presets of its settings, what it is for and its paper: `wgan` is a line, not a class.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib import import_module
from typing import Any

from .errors import UnknownName


@dataclass(frozen=True, slots=True)
class Line:
    """A family's entry."""

    name: str
    target: str
    purpose: str
    paper: str
    specs: tuple[str, ...] = ("array",)
    settings: Mapping[str, Any] = field(default_factory=dict)
    """Presets of the family's Settings."""
    train: Mapping[str, Any] = field(default_factory=dict)
    """Presets of the training recipe (condition dropout, averaging, ...)."""
    conditional: bool = False
    """Whether it is refused where there is no condition."""

    def load(self) -> type:
        return _loaded(self.target)


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of data: its codec, and the family that serves it best by measurement."""

    name: str
    target: str
    purpose: str
    default: str
    small: str = ""
    """The family that serves fewer than `few` training examples better; empty = none does."""
    few: int = 0
    candidates: tuple[str, ...] = ()
    """What `--model auto` tries, the best by measurement first: it wins where the scores can't tell."""
    judges: str = ""
    """What the judges know of this kind alone (a `judges.domain.Domain`); empty = nothing."""

    @property
    def world(self) -> bool:
        """Whether its items are objects of their own, with files and rules (`data.world.World`)."""
        return bool(self.judges)

    def family_for(self, count: int) -> str:
        """The family for so many training examples where none is named."""
        return self.small if count < self.few else self.default

    def load(self) -> type:
        return _loaded(self.target)

    def load_judges(self) -> type:
        """The class of `judges`."""
        return _loaded(self.judges)


def _loaded(target: str) -> type:
    module, _, name = target.partition(":")
    found: type = getattr(import_module(module), name)
    return found


_FAMILIES = [
    Line("diffusion", "morelike.families.diffusion:Diffusion", "the default for pictures: few-step flow matching with guidance",
         "Lipman et al. 2022, arXiv:2210.02747; Ho, Salimans 2022, arXiv:2207.12598; linear: Ho et al. 2020, arXiv:2006.11239; "
         "cosine: Nichol, Dhariwal 2021, arXiv:2102.09672; edm: Karras et al. 2022, arXiv:2206.00364", train={"drop": 0.1}),
    Line("distilled", "morelike.families.distilled:Distilled", "pictures in 1 to 4 passes of a net: a student of a trained `diffusion`",
         "Luhman, Luhman 2021, arXiv:2101.02388; Meng et al. 2022, arXiv:2210.03142; Kim et al. 2023, arXiv:2310.02279",
         train={"drop": 0.1}),
    Line("vae", "morelike.families.vae:VAE", "a latent for every picture and a bound on its likelihood",
         "Kingma, Welling 2013, arXiv:1312.6114"),
    Line("beta-vae", "morelike.families.vae:VAE", "a VAE whose latents are pressed to be few and independent: to take data apart",
         "Higgins et al. 2017, beta-VAE: learning basic visual concepts with a constrained variational framework", settings={"beta": 4.0}),
    Line("iwae", "morelike.families.vae:VAE", "a VAE trained on a tighter bound, by several importance-weighted latents an example",
         "Burda, Grosse, Salakhutdinov 2015, arXiv:1509.00519", settings={"samples": 5}),
    Line("cvae", "morelike.families.vae:VAE", "a VAE of what a condition leaves open: the latent holds what the condition doesn't say",
         "Kingma et al. 2014, arXiv:1406.5298, section 2 (model M2); Sohn, Lee, Yan 2015, Learning structured output representation using "
         "deep conditional generative models, with p(z|x) = p(z)", conditional=True),
    Line("pixelcnn", "morelike.families.pixelcnn:PixelCNN", "pictures value by value: exact likelihood",
         "van den Oord et al. 2016, arXiv:1606.05328, arXiv:1601.06759; Salimans et al. 2017, arXiv:1701.05517", train={"batch": 32}),
    Line("ae", "morelike.families.autoencoder:Autoencoder", "a short code for every picture, and back",
         "Hinton, Salakhutdinov 2006, Reducing the dimensionality of data with neural networks; Ghosh et al. 2020, arXiv:1903.12436"),
    Line("denoising-ae", "morelike.families.autoencoder:Autoencoder", "codes that see through noise",
         "Vincent et al. 2008, Extracting and composing robust features with denoising autoencoders", settings={"noise": 0.5}),
    Line("sparse-ae", "morelike.families.autoencoder:Autoencoder", "codes of which few numbers differ from zero",
         "Ng 2011, Sparse autoencoder (lecture notes)", settings={"sparse": 0.01}),
    Line("aae", "morelike.families.autoencoder:AdversarialAutoencoder", "codes made to follow a prior by a critic",
         "Makhzani et al. 2015, arXiv:1511.05644"),
    Line("vaegan", "morelike.families.vaegan:VAEGAN", "a latent for every picture, and pictures sharper than a VAE's",
         "Larsen et al. 2015, arXiv:1512.09300"),
    Line("vq-ae", "morelike.families.vq:VQ", "a picture as a few ids of a codebook, and back; no prior",
         "van den Oord et al. 2017, arXiv:1711.00937; Mentzer et al. 2023, arXiv:2309.15505"),
    Line("fsq-ae", "morelike.families.vq:VQ", "the same with rounded numbers in place of a codebook",
         "Mentzer et al. 2023, arXiv:2309.15505", settings={"quantiser": "fsq"}),
    Line("vqvae", "morelike.families.latent:Latent", "ids of a codebook, and a transformer that learns how they go together",
         "van den Oord et al. 2017, arXiv:1711.00937", settings={"first": "vq-ae", "prior": "transformer"}, train={"batch": 32}),
    Line("fsq-vae", "morelike.families.latent:Latent", "rounded numbers as ids, and a transformer that learns how they go together",
         "Mentzer et al. 2023, arXiv:2309.15505",
         settings={"first": "fsq-ae", "prior": "transformer"}, train={"batch": 32}),
    Line("maskgit", "morelike.families.latent:Latent", "ids of a codebook on a grid, filled in many at once: few steps a picture",
         "Chang et al. 2022, arXiv:2202.04200", settings={"first": "vq-ae", "prior": "masked"}, train={"batch": 32}),
    Line("latent", "morelike.families.latent:Latent", "any generator inside any autoencoder's latents: first=ae prior=diffusion",
         "Rombach et al. 2021, arXiv:2112.10752"),
    Line("latent-diffusion", "morelike.families.latent:Latent", "pictures larger than 32 pixels: diffusion on a smaller grid of codes",
         "Rombach et al. 2021, arXiv:2112.10752", settings={"first": "ae", "prior": "diffusion", "first_settings": {"grid": 16}},
         train={"drop": 0.1, "batch": 64}),
    Line("dcgan", "morelike.families.gan:GAN", "one-step sampling: convolutional GAN, non-saturating loss, R1; augmentation as a setting",
         "Radford et al. 2015, arXiv:1511.06434; Mescheder et al. 2018, arXiv:1801.04406; Zhao et al. 2020, arXiv:2006.10738"),
    Line("gan", "morelike.families.gan:GAN", "the first GAN: plain nets; non-saturating, or loss=minimax",
         "Goodfellow et al. 2014, arXiv:1406.2661", settings={"plain": True}),
    Line("cgan", "morelike.families.gan:GAN", "a GAN of what a condition leaves open; auxiliary=1: the critic names the class",
         "Mirza, Osindero 2014, arXiv:1411.1784; Miyato, Koyama 2018, arXiv:1802.05637; Odena et al. 2016, arXiv:1610.09585",
         conditional=True),
    Line("text-gan", "morelike.families.gan:GAN", "pictures from captions: the critic also sees real pictures with captions of others",
         "Reed et al. 2016, arXiv:1605.05396", settings={"mismatched": 0.5}, conditional=True),
    Line("lsgan", "morelike.families.gan:GAN", "a GAN that minimises squares: gradients also from examples well on the right side",
         "Mao et al. 2016, arXiv:1611.04076", settings={"loss": "least-squares"}),
    Line("hinge", "morelike.families.gan:GAN", "a GAN with the hinge loss and a critic whose layers have spectral norm 1",
         "Lim, Ye 2017, arXiv:1705.02894; Miyato et al. 2018, arXiv:1802.05957",
         settings={"loss": "hinge", "spectral": True, "r1": 0.0, "reach": 10.0, "critic_lr": 2e-3}),
    Line("wgan", "morelike.families.gan:GAN", "a Wasserstein GAN of plain nets: the critic's weights are clipped",
         "Arjovsky et al. 2017, arXiv:1701.07875",
         settings={"loss": "wasserstein", "clip": 0.7, "r1": 0.0, "critic_steps": 2, "critic_lr": 2.5e-4, "plain": True}),
    Line("wgan-gp", "morelike.families.gan:GAN", "a Wasserstein GAN: the critic's gradient is led to norm 1",
         "Gulrajani et al. 2017, arXiv:1704.00028",
         settings={"loss": "wasserstein", "penalty": 10.0, "r1": 0.0, "critic_steps": 3, "critic_lr": 1e-3}),
    Line("r3gan", "morelike.families.gan:GAN", "a GAN that compares made with real in pairs, with penalties on both",
         "Huang et al. 2024, arXiv:2501.05441; Jolicoeur-Martineau 2018, arXiv:1807.00734", settings={"loss": "relativistic"}),
    Line("tutorial-a", "morelike.families.tutorials:Tutorial",
         "two small Keras MLPs, mended: trained through the critic, tanh at the end; docs/from-tutorial.md",
         "Goodfellow et al. 2014, arXiv:1406.2661", train={"batch": 64},
         settings={"generator": "128 relu", "critic": "128 relu", "lr": 1e-3, "critic_lr": 1e-3}),
    Line("tutorial-b", "morelike.families.tutorials:Tutorial",
         "two deep Keras MLPs, mended: a last layer of the picture's size, a critic that learns in its own turn",
         "Goodfellow et al. 2014, arXiv:1406.2661", train={"batch": 32},
         settings={"generator": "128 relu 256 relu 512 relu 1024 relu", "critic": "1024 relu 512 relu 256 relu 128 relu"}),
    Line("tutorial-c", "morelike.families.tutorials:Tutorial",
         "two PyTorch MLPs, mended: noise goes in, not pictures; tanh at the end, a logit without a sigmoid",
         "Goodfellow et al. 2014, arXiv:1406.2661",
         settings={"latent": 784, "generator": "128 tanh 256 tanh", "critic": "256 sigmoid 128 sigmoid", "lr": 2e-4, "critic_lr": 2e-4}),
    Line("tutorial-d", "morelike.families.tutorials:Tutorial",
         "Keras classes with batch norm, mended: a loss and an optimiser for each player, fresh noise, one sigmoid",
         "Goodfellow et al. 2014, arXiv:1406.2661; Ioffe, Szegedy 2015, arXiv:1502.03167",
         settings={"generator": "256 norm leaky norm 128 norm leaky 64 norm leaky", "critic": "128 leaky drop 64 leaky drop",
                   "lr": 1e-3, "critic_lr": 1e-3}),
    Line("tutorial-e", "morelike.families.tutorials:Tutorial",
         "two Keras MLPs, mended: the critic minimises its loss instead of raising it", "Goodfellow et al. 2014, arXiv:1406.2661",
         settings={"generator": "128 relu 256 relu", "critic": "512 relu 256 relu"}),
    Line("tutorial-f", "morelike.families.tutorials:TutorialPictures",
         "a Keras DCGAN, mended: pictures in [-1, 1] as tanh makes them, made ones called made, logits where logits belong",
         "Radford et al. 2015, arXiv:1511.06434", train={"batch": 64},
         settings={"generator": "spread256 norm leaky keep128 norm leaky up64 norm leaky",
                   "critic": "down64 leaky drop down128 leaky drop"}),
    Line("infogan", "morelike.families.infogan:InfoGAN", "a GAN whose codes come to mean something, without labels",
         "Chen et al. 2016, arXiv:1606.03657"),
    Line("ebgan", "morelike.families.ebgan:EBGAN", "a GAN whose critic is an autoencoder",
         "Zhao et al. 2016, arXiv:1609.03126"),
    Line("progressive", "morelike.families.progressive:Progressive", "a GAN whose pictures grow from a few pixels while it learns",
         "Karras et al. 2018, arXiv:1710.10196", train={"batch": 64}),
    Line("stylegan2", "morelike.families.stylegan:StyleGAN", "a GAN whose latent sets the style of every scale: mixing and truncation",
         "Karras et al. 2019, arXiv:1812.04948; Karras et al. 2020, arXiv:1912.04958", train={"batch": 64}),
    Line("cyclegan", "morelike.families.cyclegan:CycleGAN", "from one set of pictures to another and back, learnt without pairs",
         "Zhu et al. 2017, arXiv:1703.10593", train={"batch": 32}),
    Line("pca", "morelike.families.classical:PCA", "a Gaussian of low rank in closed form; exact likelihood in seconds",
         "Tipping, Bishop 1999, Probabilistic principal component analysis"),
    Line("gaussian", "morelike.families.classical:PCA", "baseline: one Gaussian of low rank, per class where there are labels", "-",
         settings={"rank": 32}),
    Line("gmm", "morelike.families.classical:GMM", "a mixture of Gaussians by expectation-maximisation; exact likelihood",
         "Dempster, Laird, Rubin 1977"),
    Line("filtered-walk", "morelike.families.filtered:FilteredWalk",
         "prices and rates in seconds: a walk of bootstrapped changes, scaled by how large the last ones were",
         "Barone-Adesi, Giannopoulos, Vosper 1999, VaR without correlations for portfolios of derivative securities; Engle 2002"),
    Line("realnvp", "morelike.families.flow:Flow", "an invertible map: exact likelihood, a latent of x's size, one-step sampling",
         "Dinh et al. 2017, arXiv:1605.08803"),
    Line("spline-flow", "morelike.families.flow:Flow", "an invertible map with splines for curves: sharper densities than realnvp",
         "Durkan et al. 2019, arXiv:1906.04032; Dinh et al. 2017, arXiv:1605.08803", settings={"coupling": "spline"}),
    Line("rbm", "morelike.families.rbm:RBM", "black and white pictures and hidden units; fills in what is missing; estimated likelihood",
         "Smolensky 1986; Tieleman 2008; Salakhutdinov, Murray 2008, On the quantitative analysis of deep belief networks",
         train={"batch": 64}),
    Line("hopfield", "morelike.families.hopfield:Hopfield", "memories that are found again from a part of them; copies",
         "Hopfield 1982; Ramsauer et al. 2020, arXiv:2008.02217"),
    Line("som", "morelike.families.som:SOM", "a map of the data: prototypes on a grid, neighbours of which are alike",
         "Kohonen 1982, Self-organized formation of topologically correct feature maps"),
    Line("transformer", "morelike.families.autoregressive:Autoregressive", "sequences id by id: exact likelihood; can read a sequence",
         "Vaswani et al. 2017, arXiv:1706.03762; Su et al. 2021, arXiv:2104.09864; Shazeer 2020, arXiv:2002.05202",
         specs=("tokens",), train={"batch": 16}),
    Line("hybrid", "morelike.families.hybrid:Hybrid", "a transformer and counted contexts in one exact likelihood",
         "Mahoney 2005, Adaptive weighing of context models; Vaswani et al. 2017, arXiv:1706.03762", specs=("tokens",),
         train={"batch": 16}),
    Line("lstm", "morelike.families.autoregressive:Autoregressive", "recurrent net with gates; attends to a condition that is a sequence",
         "Hochreiter, Schmidhuber 1997; Luong et al. 2015, arXiv:1508.04025", specs=("tokens",), settings={"net": "lstm"},
         train={"batch": 32}),
    Line("gru", "morelike.families.autoregressive:Autoregressive", "recurrent net with fewer gates; attends like lstm",
         "Cho et al. 2014, arXiv:1406.1078; Luong et al. 2015, arXiv:1508.04025", specs=("tokens",), settings={"net": "gru"},
         train={"batch": 32}),
    Line("rnn", "morelike.families.autoregressive:Autoregressive", "plain recurrent net", "Elman 1990, Finding structure in time",
         specs=("tokens",), settings={"net": "rnn"}, train={"batch": 32}),
    Line("masked", "morelike.families.masked:Masked", "fills in ids anywhere; draws many at once in few steps",
         "Sahoo et al. 2024, arXiv:2406.07524; Austin et al. 2021, arXiv:2107.03006; Chang et al. 2022, arXiv:2202.04200",
         specs=("tokens",), train={"batch": 32}),
    Line("rnn-nade", "morelike.families.rnn_nade:RNNNADE", "grids of ids row by row: notes that sound together, levels; exact likelihood",
         "Boulanger-Lewandowski et al. 2012, arXiv:1206.6392; Larochelle, Murray 2011, The neural autoregressive distribution estimator",
         specs=("tokens",), train={"batch": 8}),
    Line("text-vae", "morelike.families.textvae:TextVAE", "a latent for every sentence: to interpolate, to find neighbours",
         "Bowman et al. 2016, arXiv:1511.06349; Kingma et al. 2016, arXiv:1606.04934", specs=("tokens",), train={"batch": 32}),
    Line("molecule-vae", "morelike.families.textvae:PropertyVAE", "a latent for every molecule that also says its properties: to optimise",
         "Gómez-Bombarelli et al. 2018, arXiv:1610.02415; Kingma, Welling 2013, arXiv:1312.6114", specs=("tokens",), train={"batch": 64}),
    Line("seqgan", "morelike.families.seqgan:SeqGAN", "sequences by policy gradient from a discriminator, after maximum likelihood",
         "Yu et al. 2017, arXiv:1609.05473", specs=("tokens",), train={"batch": 64}),
    Line("rgan", "morelike.families.rgan:RGAN", "sequences by a recurrent Wasserstein GAN on relaxed ids; a latent for every sequence",
         "Press et al. 2017, arXiv:1706.01399; Rajeswar et al. 2017, arXiv:1705.10929; Gulrajani et al. 2017, arXiv:1704.00028",
         specs=("tokens",), train={"batch": 64}),
    Line("musegan", "morelike.families.musegan:MuseGAN", "grids of ids in one pass: a Wasserstein GAN with a generator for each voice",
         "Dong et al. 2018, arXiv:1709.06298; Dong, Yang 2018, arXiv:1804.09399; Gulrajani et al. 2017, arXiv:1704.00028",
         specs=("tokens",), train={"batch": 32}),
    Line("context-mixing", "morelike.families.mixing:ContextMixing", "counts of many contexts mixed by a gate: seconds, no gradient steps",
         "Mahoney 2005, Adaptive weighing of context models; Mattern 2012, arXiv:1304.7289", specs=("tokens",), train={"batch": 256}),
    Line("ngram", "morelike.families.ngram:NGram", "baseline: counts of the last five ids, Kneser-Ney smoothing, per class too",
         "Chen, Goodman 1999, An empirical study of smoothing techniques", specs=("tokens",), train={"batch": 256}),
    Line("markov", "morelike.families.ngram:NGram", "baseline: each id by the one before it", "Markov 1913; Chen, Goodman 1999",
         specs=("tokens",), settings={"orders": 1}, train={"batch": 256}),
    Line("hmm", "morelike.families.hmm:HMM", "hidden Markov model by expectation-maximisation, per class where there are labels",
         "Baum et al. 1970; Rabiner 1989, A tutorial on hidden Markov models", specs=("tokens",), train={"batch": 256}),
    Line("series-ar", "morelike.families.series_ar:SeriesAR", "series value by value: exact likelihood, exact forecasts",
         "Graves 2013, arXiv:1308.0850; Uria, Murray, Larochelle 2013, arXiv:1306.0186", train={"batch": 64}),
    Line("time-diffusion", "morelike.families.diffusion:Diffusion", "diffusion with the settings that suit windows of series",
         "Karras et al. 2022, arXiv:2206.00364", settings={"path": "edm"}, train={"batch": 128}),
    Line("timegan", "morelike.families.timegan:TimeGAN", "a game in the steps of an autoencoder, with a net that says what follows",
         "Yoon, Jarrett, van der Schaar 2019, Time-series generative adversarial networks", train={"batch": 128}),
    Line("time-vae", "morelike.families.time_vae:TimeVAE", "a latent for every window; its decoder is a sum of trend, season and rest",
         "Desai et al. 2021, arXiv:2111.08095; Kingma, Welling 2013, arXiv:1312.6114", settings={"temperature": 1.0}, train={"batch": 128}),
    Line("var", "morelike.families.vector_ar:VectorAR", "baseline: each step a linear function of the last ones; exact, whatever is known",
         "Sims 1980, Macroeconomics and reality; Lütkepohl 2005, New introduction to multiple time series analysis", train={"batch": 256}),
    Line("seasonal-naive", "morelike.families.seasonal:SeasonalNaive", "baseline: what was one period ago, and noise",
         "Hyndman, Athanasopoulos 2021, Forecasting: principles and practice", train={"batch": 256}),
    Line("block-bootstrap", "morelike.families.baseline:BlockBootstrap", "baseline that copies: blocks of training series in a row",
         "Politis, Romano 1994, The stationary bootstrap"),
    Line("table-ar", "morelike.families.table_ar:TableAR", "tables: any columns given, the others drawn exactly; exact likelihood",
         "Uria, Murray, Larochelle 2014, arXiv:1310.1757; Hoogeboom et al. 2021, arXiv:2110.02037", specs=("row",), train={"batch": 512}),
    Line("bayesnet", "morelike.families.bayesnet:BayesNet", "tables in seconds: a Bayesian network, exact conditioning and likelihood",
         "Chow, Liu 1968, Approximating discrete probability distributions with dependence trees", specs=("row",), train={"batch": 512}),
    Line("copula", "morelike.families.copula:Copula", "tables in seconds: marginals as they are, dependence by a Gaussian copula",
         "Sklar 1959; Nelsen 2006, An introduction to copulas", specs=("row",), train={"batch": 512}),
    Line("table-diffusion", "morelike.families.table_diffusion:TableDiffusion",
         "tables: Gaussian noise on numbers and masks on words, removed together in few steps",
         "Shi et al. 2024, arXiv:2410.20626; Kotelnikov et al. 2022, arXiv:2209.15421", specs=("row",), train={"batch": 512}),
    Line("table-flow", "morelike.families.table_flow:TableFlow",
         "tables: counted margins tied by a normalizing flow; a bound on likelihood",
         "Durkan et al. 2019, arXiv:1906.04032; Sklar 1959", specs=("row",), train={"batch": 512}),
    Line("ctgan", "morelike.families.ctgan:CTGAN", "tables: a GAN that is asked for one value at a time, so that rare ones are learnt",
         "Xu et al. 2019, arXiv:1907.00503; Lin et al. 2018, arXiv:1712.04086; Gulrajani et al. 2017, arXiv:1704.00028",
         specs=("row",), train={"batch": 500}),
    Line("tvae", "morelike.families.tvae:TVAE", "tables: a latent for every row and a bound on its likelihood",
         "Xu et al. 2019, arXiv:1907.00503", specs=("row",), train={"batch": 500}),
    Line("goal-mixture", "morelike.families.goal_mixture:GoalMixture", "motion: goals, paths to them, neighbours; exact likelihood",
         "Bishop 1994, Mixture density networks; Mangalam et al. 2020, arXiv:2004.02025; Bhattacharyya et al. 2018, arXiv:1806.07772"),
    Line("constant-velocity", "morelike.families.constant_velocity:ConstantVelocity",
         "baseline of motion: on as before, a little turned, a little faster or slower", "Schöller et al. 2020, arXiv:1903.07933"),
    Line("independent", "morelike.families.baseline:Independent", "baseline: every element drawn on its own", "-"),
    Line("copy-noise", "morelike.families.baseline:CopyNoise", "baseline that copies: a training item with a little noise", "-"),
    Line("smote", "morelike.families.baseline:Smote", "baseline that copies: a row between a training row and one of its nearest",
         "Chawla et al. 2002, arXiv:1106.1813", specs=("row",)),
    Line("features", "morelike.families.features:FeatureNet", "the judges' feature net and classifier (not a generator)",
         "Bardes, Ponce, LeCun 2021, arXiv:2105.04906 where there are no labels"),
]

_KINDS = [
    Kind("image", "morelike.data.image:ImageCodec", "pictures of any size and channel count", "diffusion",
         candidates=("diffusion", "vae", "dcgan")),
    Kind("vector", "morelike.data.vector:VectorCodec", "rows of real numbers", "diffusion",
         candidates=("gmm", "spline-flow", "diffusion")),
    Kind("table", "morelike.data.table:TableCodec", "tables of numbers, words, dates and gaps: CSV, TSV", "table-ar",
         small="bayesnet", few=1_000, candidates=("table-ar", "table-diffusion", "bayesnet")),
    Kind("text", "morelike.data.text:TextCodec", "text: running, or an item a line, a file or a row", "transformer",
         candidates=("transformer", "hybrid", "lstm")),
    Kind("lines", "morelike.data.text:TextCodec", "text whose lines are separate items", "transformer",
         candidates=("transformer", "hybrid", "lstm")),
    Kind("molecule", "morelike.data.molecule:MoleculeCodec", "molecules: SMILES one a line, or in a column of a table", "lstm",
         candidates=("lstm", "transformer"), judges="morelike.judges.molecule:Molecules"),
    Kind("level", "morelike.data.level:LevelCodec", "game levels: grids of tiles with a legend, Sokoban, rooms", "lstm",
         candidates=("lstm", "transformer", "masked"), judges="morelike.judges.level:Level"),
    Kind("music", "morelike.data.music:MusicCodec", "tunes: MIDI files, and JSON lists of pitches", "masked",
         candidates=("rnn-nade", "masked"), judges="morelike.judges.music:Music"),
    Kind("strokes", "morelike.data.strokes:StrokesCodec", "pen drawings: SVG files, JSON lines of strokes", "lstm",
         candidates=("lstm", "transformer"), judges="morelike.judges.strokes:Strokes"),
    Kind("series", "morelike.data.series:SeriesCodec", "time series: CSV, TSV, numbers in text; several channels, gaps, uneven steps",
         "time-diffusion", candidates=("time-diffusion", "series-ar", "time-vae"), judges="morelike.judges.series:TimeSeries"),
    Kind("curve", "morelike.data.curve:CurveCodec", "outlines: airfoils (.dat), shapes as points", "spline-flow",
         candidates=("spline-flow", "diffusion", "realnvp"), judges="morelike.judges.curve:Curves"),
    Kind("trajectory", "morelike.data.trajectory:TrajectoryCodec", "tracks of walkers or vehicles: rows of frame, id, x, y",
         "goal-mixture", candidates=("goal-mixture", "diffusion"), judges="morelike.judges.trajectory:Trajectories"),
    Kind("around", "morelike.data.around:AroundCodec", "numbers around a piece of an item, as conditions", "independent"),
    Kind("category", "morelike.data.category:CategoryCodec", "class names, as conditions", "independent"),
    Kind("caption", "morelike.data.caption:CaptionCodec", "captions, as conditions", "independent"),
]

FAMILIES: dict[str, Line] = {line.name: line for line in _FAMILIES}
KINDS: dict[str, Kind] = {kind.name: kind for kind in _KINDS}


def family(name: str) -> Line:
    """The line of a family. Raises UnknownName with the nearest right one."""
    if name not in FAMILIES:
        raise UnknownName("model", name, FAMILIES)
    return FAMILIES[name]


def kind(name: str) -> Kind:
    """The line of a kind of data. Raises UnknownName with the nearest right one."""
    if name not in KINDS:
        raise UnknownName("kind of data", name, KINDS)
    return KINDS[name]
