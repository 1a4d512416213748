using System.Globalization;
using Kvasir.Cli.Terminal;
using Kvasir.Evaluation.Reporting;
using Kvasir.Evaluation.Tasks;

namespace Kvasir.Cli.Demo;

/// <summary>
/// A <see cref="DemoBoard"/> as lines: a row for each question with a column for each policy, and below a row for each policy with what its answers cost.
/// </summary>
internal static class DemoTable
{
    private const string None = "-";
    private const string Open = "·";
    private const int MostAnswerChars = 12;

    private static readonly (string Title, Func<DemoScore, string> Cell)[] Costs =
    [
        ("right", static score => $"{score.Right} of {score.Asked}"),
        ("keys read", static score => ShareText.Text(score.KeysRead)),
        ("ms/token", static score => score.MsPerToken.ToString(score.MsPerToken < 9.995 ? "F2" : "F1", CultureInfo.InvariantCulture)),
        ("tokens/s", static score => score.TokensPerSecond.ToString("N0", CultureInfo.InvariantCulture)),
        ("time", static score => SpeedText.Duration(TimeSpan.FromMilliseconds(score.TotalMs))),
    ];

    /// <param name="columns">Of the terminal; its last one stays free.</param>
    /// <param name="questionLimit">Where there is no room for all questions, the newest answers are shown.</param>
    public static List<string> Lines(DemoBoard board, int columns, int questionLimit = int.MaxValue, bool hasColor = false)
    {
        var limit = Math.Max(1, columns - 1);
        var lines = new List<string>();
        foreach (var block in Blocks(board, limit))
            lines.AddRange([.. CellRows.Lines(Questions(board, block, limit, questionLimit), limit, toTheRight: false, hasColor), ""]);
        lines.AddRange(CellRows.Lines(Scores(board, limit), limit, toTheRight: true, hasColor));
        return lines;
    }

    /// <summary>Rows that there are beside those of the questions, with one for each question in so many blocks.</summary>
    public static (int Blocks, int OtherLines) Height(DemoBoard board, int columns)
    {
        var blocks = Blocks(board, Math.Max(1, columns - 1)).Count();
        return (blocks, 2 * blocks + 1 + board.Labels.Count);
    }

    /// <summary>As "✓ 47": the number that the model said, or else what it said, or a dash.</summary>
    public static string Marked(DemoAnswer answer) =>
        (answer.IsRight ? "✓ " : "✗ ")
        + Printable.Line(HaystackQuestion.NumberIn(answer.Text) ?? (answer.Text.Length > 0 ? answer.Text : None), MostAnswerChars);

    // Policies side by side where they find room, else some of them below the others.
    private static IEnumerable<int[]> Blocks(DemoBoard board, int limit) =>
        Enumerable.Range(0, board.Labels.Count).Chunk(Math.Max(1, CellRows.RoomBeside(Labels(board, 0, board.Questions.Count, 1), limit)));

    private static List<TableCell[]> Questions(DemoBoard board, int[] policies, int limit, int questionLimit)
    {
        var asked = Enumerable.Range(0, board.Questions.Count).Count(question => board.Answer(question, 0) is not null);
        var count = Math.Clamp(questionLimit, 1, board.Questions.Count);
        var first = Math.Clamp(asked + 1 - count, 0, board.Questions.Count - count);
        TableCell[][] answers =
        [
            [.. policies.Select(policy => new TableCell(board.Labels[policy]))],
            .. Enumerable.Range(first, count).Select(question => policies.Select(policy => Shown(board.Answer(question, policy))).ToArray()),
        ];
        // What the text says, and where, is left out before an answer is cut.
        var rows = new List<TableCell[]>();
        for (var labels = 3; labels > 0 && (rows.Count == 0 || !CellRows.Fit(rows, limit)); labels--)
            rows = [.. Labels(board, first, count, labels).Zip(answers, static (left, right) => (TableCell[])[.. left, .. right])];
        return rows;
    }

    private static List<TableCell[]> Labels(DemoBoard board, int first, int count, int labels) =>
    [
        ((TableCell[])[new("question"), new("answer"), new("at")])[..labels],
        .. board.Questions.Skip(first).Take(count)
            .Select(question => ((TableCell[])[new(question.Asked), new(question.Number), new(ShareText.Text(Math.Round(question.Depth, 2)))])[..labels]),
    ];

    private static TableCell Shown(DemoAnswer? answer) =>
        answer is null ? new TableCell(Open, CellTone.Dim) : new TableCell(Marked(answer), answer.IsRight ? CellTone.Right : CellTone.Wrong);

    private static List<TableCell[]> Scores(DemoBoard board, int limit)
    {
        var rows = new List<TableCell[]>();
        for (var costs = Costs.Length; costs > 0 && (rows.Count == 0 || !CellRows.Fit(rows, limit)); costs--)
        {
            var shown = Costs[..costs];
            rows =
            [
                [new("policy"), .. shown.Select(static cost => new TableCell(cost.Title))],
                .. board.Labels.Select((label, policy) =>
                    (TableCell[])[new(label), .. shown.Select(cost => new TableCell(board.Score(policy) is { } score ? cost.Cell(score) : None))]),
            ];
        }

        return rows;
    }
}
