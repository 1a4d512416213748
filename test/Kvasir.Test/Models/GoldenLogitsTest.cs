namespace Kvasir.Test.Models;

public sealed class GoldenLogitsTest
{
    private static readonly GoldenLogitsTable Table = GoldenLogitsTable.Committed;

    public static TheoryData<string> Names => [.. Table.Cases.Select(c => c.Name)];

    // The expected logits belong to these very bytes.
    [Theory, MemberData(nameof(Names))]
    public void GeneratedModelsAreTheMeasuredOnes(string name)
    {
        var golden = Table.Cases.Single(c => c.Name == name);
        using var model = new RandomModel(golden, Table);
        Assert.Equal(golden.Sha256.OrderBy(p => p.Key), model.Digests().OrderBy(p => p.Key));
    }
}
