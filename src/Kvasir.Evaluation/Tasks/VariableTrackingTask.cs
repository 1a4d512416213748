using Kvasir.Evaluation.Scoring;
using Kvasir.Evaluation.Texts;

namespace Kvasir.Evaluation.Tasks;

/// <summary>A variable gets a number and hands it on to four others, one after the other, in repeated sentences; all five are asked for.</summary>
internal sealed class VariableTrackingTask : EvaluationTask
{
    private const string Name = "vt";

    private const int Hops = 4;

    private const int RulerAnswerTokens = 30;

    // From here on an example stands in front, as in RULER; below, it would take more room than the task.
    private const int ExampleFromTokens = 1024;

    private const string Instruction = "Variables are assigned numbers and one another in the text below. Keep track of which variables hold which number.\n\n";

    public static TaskEntry Entry { get; } =
        new(Name, TaskCatalog.Ruler, "the five variables that hold a number, by four hops", TaskCatalog.RulerPaper, _ => new VariableTrackingTask());

    public override Sample Generate(SampleRequest request)
    {
        var dice = Dice.Of(Name, request);
        var (first, second) = (dice.Between(10_000, 54_999), dice.Between(55_000, 99_999));
        var names = Names(dice, 2 * (Hops + 1));
        var (own, others) = (names[..(Hops + 1)], names[(Hops + 1)..]);
        var depths = Needles.DrawDepths(dice, Hops + 1);
        Array.Sort(depths);
        var noise = new NoiseText();
        var example = request.LengthTokens < ExampleFromTokens
            ? ""
            : Instruction + Needles.Hide(noise.Take(40), Chain(others, second), depths)
                + Question(second) + $"{Prefix(second)} {string.Join(", ", others)}\n\n";
        var fit = new SampleFit(Name, request);
        var empty = new Sample("", Question(first), Prefix(first), own, fit.AnswerTokens(RulerAnswerTokens, own), ScoringRule.ContainsAll);
        return fit.Fill(words => empty with { Context = example + Instruction + Needles.Hide(noise.Take(words), Chain(own, first), depths) });
    }

    private static string[] Chain(string[] names, int value) =>
        [.. names.Select((name, i) => i == 0 ? $"VAR {name} = {value}." : $"VAR {name} = VAR {names[i - 1]}.")];

    private static string Question(int value) => $"\n\nWhich variables hold the number {value} in the text above? There are {Hops + 1}.";

    private static string Prefix(int value) => $" The variables that hold the number {value} are:";

    // Five capital letters each.
    private static string[] Names(Dice dice, int count)
    {
        var names = new List<string>();
        while (names.Count < count)
        {
            var name = string.Concat(Enumerable.Range(0, 5).Select(_ => (char)('A' + dice.Below(26))));
            if (!names.Contains(name))
                names.Add(name);
        }

        return [.. names];
    }
}
