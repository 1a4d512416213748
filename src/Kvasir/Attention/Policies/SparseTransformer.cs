using Kvasir.Attention.Zones;

namespace Kvasir.Attention.Policies;

/// <summary>
/// The two static masks of Sparse Transformer, section 4.3, with stride l: strided reads the newest l rows and every l-th before; fixed reads the
/// query's own block of l rows and the last <c>summary</c> rows of every block before.
/// </summary>
public sealed class SparseTransformer(PolicySpec spec) : SparsePolicy(spec)
{
    internal static readonly PolicyEntry Entry = new(
        "sparse-transformer", "a window and every l-th token, or the ends of blocks of l",
        "Sparse Transformer: Child et al. 2019, arXiv 1904.10509", "sparse-transformer:stride=1,min-context=0",
        static spec => new SparseTransformer(spec),
        ExactZones.Options(
            sinks: 4, recent: 1, denseLayers: "none",
            PolicyOption.Whole("stride", 128, 1, 1 << 20, "l: the window, and the distance between tokens"),
            PolicyOption.Choice("mask", "which of the paper's two", "strided", "fixed"),
            PolicyOption.Whole("summary", 8, 1, 4096, "tokens at the end of each block that the fixed mask reads")))
    {
        Budgets = PolicyBudget.Of("stride", 128, 256, 512, 1024, 2048),
    };

    private readonly int _stride = spec.Whole("stride");
    private readonly int _summary = spec.Whole("summary");
    private readonly Mask _mask = spec.Choice<Mask>("mask");

    private enum Mask
    {
        Strided,
        Fixed,
    }

    public override int RowUnit => _mask == Mask.Fixed ? _stride : 1;

    public override bool SuitsFiles => true;

    protected override ZonedSelector CreateSparse(HeadPlace place) => _mask == Mask.Strided ? new Strided(Zones, _stride) : new Fixed(Zones, _stride, _summary);

    // Position i reads j when i - j < l, or when i - j is a multiple of l.
    private sealed class Strided(ExactZones zones, int stride) : ZonedSelector(zones)
    {
        protected override bool SelectMiddle(in HeadQuery query, (int First, int End) middle, int round, in SoftmaxView sum, KvSelection selection)
        {
            if (round > 0)
                return false;
            var position = query.EndRow - 1;
            var window = Math.Clamp(position - stride + 1, middle.First, middle.End);
            var first = position - (position - middle.First) / stride * stride;
            for (var row = first; row < window; row += stride)
                selection.Add(row);
            selection.AddRange(window, middle.End - window);
            return true;
        }
    }

    private sealed class Fixed(ExactZones zones, int stride, int summary) : ZonedSelector(zones)
    {
        protected override bool SelectMiddle(in HeadQuery query, (int First, int End) middle, int round, in SoftmaxView sum, KvSelection selection)
        {
            if (round > 0)
                return false;
            var own = Math.Clamp((query.EndRow - 1) / stride * stride, middle.First, middle.End);
            for (var block = middle.First / stride * stride; block < own; block += stride)
            {
                for (var row = Math.Max(middle.First, block + Math.Max(0, stride - summary)); row < Math.Min(own, block + stride); row++)
                    selection.Add(row);
            }

            selection.AddRange(own, middle.End - own);
            return true;
        }
    }
}
