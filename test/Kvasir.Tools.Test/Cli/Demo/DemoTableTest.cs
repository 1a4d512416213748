using Kvasir.Attention.Policies;
using Kvasir.Cli.Demo;
using Kvasir.Cli.Terminal;
using Kvasir.Evaluation.Tasks;

namespace Kvasir.Tools.Test.Cli.Demo;

public sealed class DemoTableTest
{
    private static readonly HaystackQuestion[] Questions = [new("key dalor", "47", 0.123), new("VAR sonin", "dalor 80", 0.9), new("key rimel", "11", 0.5)];

    [Fact]
    public void AWideTableHasEverything()
    {
        Assert.Equal(
            """
            question   answer  at   dense  psa
            key dalor  47      12%  ✓ 47   ✓ 47
            VAR sonin  80      90%  ✓ 80   ✗ the sky is b...
            key rimel  11      50%  ✗ -    ·

            policy   right  keys read  ms/token  tokens/s    time
            dense   2 of 3       100%      2.00       500  342 ms
            psa     1 of 2       4.5%     0.500     2,000  210 ms
            """.ReplaceLineEndings("\n").Replace("0.500", " 0.50", StringComparison.Ordinal),
            string.Join('\n', DemoTable.Lines(Board("dense", "psa"), 80)));
    }

    [Fact]
    public void ANarrowTableKeepsAnswersAndLeavesOutTheRest()
    {
        var lines = DemoTable.Lines(Board("dense", "magicpig", "psa", "guarded"), 40);
        Assert.Equal("question   dense  magic…  psa     guar…", lines[0]);
        Assert.Equal("VAR sonin  ✓ 80   ✗ the…  ✗ the…  ✗ th…", lines[2]);
        Assert.Contains("policy     right  keys read  ms/token", lines);
    }

    [Theory]
    [InlineData(1)]
    [InlineData(20)]
    [InlineData(30)]
    [InlineData(40)]
    [InlineData(60)]
    [InlineData(80)]
    [InlineData(200)]
    public void LinesAreNarrowerThanTheTerminalAndEveryAnswerHasItsMark(int columns)
    {
        string[] policies = [.. PolicyCatalog.Entries.Where(static entry => entry.Needs is null).Select(static entry => entry.Name), "psa:coverage=0.5"];
        var board = Board(policies);
        var lines = DemoTable.Lines(board, columns);
        if (columns >= 30)
            Assert.All(lines, line => Assert.InRange(CellWidth.Of(line), 0, columns - 1));
        var marks = string.Concat(lines);
        Assert.Equal((3, 2 * policies.Length - 1), (marks.Count(static letter => letter == '✓') - policies.Length + 2, marks.Count(static letter => letter is '✗' or '·')));
        var (blocks, others) = DemoTable.Height(board, columns);
        Assert.Equal(lines.Count, blocks * Questions.Length + others);
    }

    [Fact]
    public void ALowTerminalShowsTheNewestAnswers()
    {
        var lines = DemoTable.Lines(Board("dense", "psa"), 80, questionLimit: 2);
        Assert.Equal(["VAR sonin", "key rimel"], lines.Skip(1).TakeWhile(static line => line.Length > 0).Select(static line => line[..9]));
        Assert.Equal(["key dalor"], DemoTable.Lines(new DemoBoard(Questions, [PolicyCatalog.Parse("psa")]), 80, questionLimit: 0)[1..2].Select(static line => line[..9]));
    }

    [Fact]
    public void ColoursAreOnlyWhereTheyAreWanted()
    {
        Assert.DoesNotContain('\e', string.Concat(DemoTable.Lines(Board("dense", "psa"), 80)));
        var coloured = string.Join('\n', DemoTable.Lines(Board("dense", "psa"), 80, hasColor: true));
        Assert.Contains("\e[32m✓ 47\e[39m", coloured, StringComparison.Ordinal);
        Assert.Contains("\e[31m✗ -\e[39m", coloured, StringComparison.Ordinal);
    }

    [Fact]
    public void WhereDenseFailsTheModelIsSaidToBeTheLimit()
    {
        Assert.Contains("dense attention gets 2 of 3 right", DemoText.BeyondModel(Board("dense", "psa")), StringComparison.Ordinal);
        Assert.Null(DemoText.BeyondModel(Board("magicpig", "psa")));
        var right = new DemoBoard(Questions, [PolicyCatalog.Parse("dense")]);
        Assert.Null(DemoText.BeyondModel(right));
        right.Add(0, 0, Board("dense", "psa").Answer(0, 0)!);
        Assert.Null(DemoText.BeyondModel(right));
    }

    [Fact]
    public void PoliciesOfOneNameAreToldApart() =>
        Assert.Equal(["dense", "psa", "psa:coverage=0.5"], new DemoBoard(Questions, [PolicyCatalog.Parse("dense"), PolicyCatalog.Parse("psa"), PolicyCatalog.Parse("psa:coverage=0.5")]).Labels);

    // The first policy has two of three right, the last has still to answer the last question, and others say nothing right.
    private static DemoBoard Board(params string[] policies)
    {
        var board = new DemoBoard(Questions, [.. policies.Select(PolicyCatalog.Parse)]);
        board.Add(0, 0, new DemoAnswer("47", true, 1, 5, 10, 100));
        board.Add(1, 0, new DemoAnswer("dalor 80", true, 1, 5, 10, 100));
        board.Add(2, 0, new DemoAnswer("", false, 1, 6, 12, 110));
        for (var policy = 1; policy < policies.Length; policy++)
        {
            board.Add(0, policy, new DemoAnswer("47", true, 0.04, 5, 2.5, 100));
            board.Add(1, policy, new DemoAnswer("the sky is blue", false, 0.05, 5, 2.5, 105));
            if (policy < policies.Length - 1)
                board.Add(2, policy, new DemoAnswer("12", false, 0.05, 5, 2.5, 105));
        }

        return board;
    }
}
