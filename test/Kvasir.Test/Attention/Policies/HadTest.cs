using System.Globalization;
using Kvasir.Attention;
using Kvasir.Attention.Policies;
using Kvasir.Models.Configs;

namespace Kvasir.Test.Attention.Policies;

public sealed class HadTest
{
    private const int Sinks = 3;
    private const int Recent = 5;

    [Theory]
    [InlineData(1, 48)]
    [InlineData(3, 64)]
    [InlineData(7, 80)]
    [InlineData(4, 128)]
    [InlineData(3, 33)]
    [InlineData(2, 256)]
    public void EachQueryHeadAttendsTheRowsWhoseSignsAgreeMost(int group, int dim)
    {
        // Between the zones: none, few, so that all are read, about a group of 64, and many.
        foreach (var between in new[] { 0, 1, 31, 33, 63, 64, 65, 700 })
        {
            var (count, seed) = (between + Sinks + Recent, 100 * dim + between);
            var place = new HeadPlace(0, 1, 0, group, dim, count);
            using var rows = new ChosenRows(place, count, seed);
            foreach (var share in new[] { 0.01, 0.13, 1 })
            {
                using var selector = Create(FormattableString.Invariant($"had:share={share}"), place);
                rows.Index(selector);
                rows.AssertAttends(
                    selector,
                    head => Enumerable.Range(0, count).Where(row => row < Sinks || row >= count - Recent)
                        .Concat(between < 64 ? Enumerable.Range(Sinks, between) : Nearest(rows, head, between, (int)Math.Ceiling((float)share * between))),
                    2e-5, string.Create(CultureInfo.InvariantCulture, $"{between} rows between, share {share}, seed {seed}"));
            }
        }
    }

    [Fact]
    public void SignsThatFollowedEditsAndPartsAreThoseOfTheRows()
    {
        var place = new HeadPlace(0, 1, 0, 3, 40, 400);
        using var rows = new LoneHead(place, rowCount: 400, seed: 4);
        var policy = Policy("had:share=0.1");
        using var whole = policy.CreateSelector(place);
        using var copied = policy.CreateSelector(place);
        whole.Append(rows.Head, 0, 400);
        Assert.Equal(352, policy.PartEnd(320));
        using var memory = new Kvasir.Kernels.Memory.NativeBuffer(policy.PartBytes(place, 32));
        for (var row = 0; row < 384; row += 32)
        {
            whole.WritePart(row, 32, memory.View);
            copied.ReadPart(rows.Head, row, 32, memory.View);
        }

        copied.Append(rows.Head, 384, 16);
        Assert.Equal(whole.IndexBytes, copied.IndexBytes);
        Assert.Equal(rows.Attend(whole), rows.Attend(copied));
    }

    [Fact]
    public void HeadsOfMoreElementsThanAByteCountsAreRefused()
    {
        var refusal = Assert.Throws<KvasirException>(static () => Policy("had").RequireFits(new AttentionShape(1, 1, 1, 288, null)));
        Assert.Equal("attention policy 'had:sinks=3,recent=5,min-context=0' counts signs of heads of at most 256 elements; this model's have 288", refusal.Message);
        Policy("had").RequireFits(new AttentionShape(1, 1, 1, 256, null));
    }

    // Of rows that differ in as many signs as the last one, the newest.
    private static IEnumerable<int> Nearest(ChosenRows rows, int head, int between, int wanted)
    {
        var query = rows.Query(head);
        return Enumerable.Range(Sinks, between)
            .OrderBy(row => Math.Min(255, Enumerable.Range(0, query.Length).Count(i => query[i] < 0 != rows.Keys[row][i] < 0))).ThenByDescending(static row => row)
            .Take(Math.Max(1, wanted));
    }

    private static Selector Create(string policy, HeadPlace place) => Policy(policy).CreateSelector(place);

    private static AttentionPolicy Policy(string policy) =>
        PolicyCatalog.Parse(string.Create(CultureInfo.InvariantCulture, $"{policy}{(policy.Contains(':', StringComparison.Ordinal) ? ',' : ':')}sinks={Sinks},recent={Recent},min-context=0"));
}
