using Kvasir.Attention;
using Kvasir.Attention.Policies;

namespace Kvasir.Test.Attention.Policies;

/// <summary>Policies that draw rows by chance: the errors of two steps have to do with each other only if they draw the same.</summary>
public sealed class FreshDrawsTest
{
    private const int Rows = 3000;

    // Two positions with one query see the same rows but one. Without values guarded's sample is of one size.
    [Theory]
    [InlineData("guarded:epsilon=0.5,pilot=300,sinks=4,recent=16,dense-layers=none,min-context=0")]
    [InlineData("psa:coverage=0.9,block=8,group=4,tail=sampled,min-context=0")]
    public void AStepDrawsOtherRowsThanTheOneBeforeAndTheSameWhenItIsRepeated(string policy)
    {
        var place = new HeadPlace(3, 8, 1, 2, 16, Rows);
        using var rows = new LoneHead(place, Rows, seed: 51, keyScale: 0.2f, valueScale: 0);
        var (first, again, next) = (Drawn(2994), Drawn(2994), Drawn(2995));
        Assert.Equal(first, again);
        var common = first.Intersect(next).Count();
        Assert.True(common < 0.7 * first.Count, $"{common} of {first.Count} rows are the same, of {Rows}");

        HashSet<int> Drawn(int position)
        {
            using var selector = PolicyCatalog.Parse(policy).CreateSelector(place);
            rows.AppendTo(selector, 0, position + 1);
            rows.EndPrompt(selector, position + 1);
            rows.Attend(selector, position);
            return [.. rows.LastRead];
        }
    }
}
