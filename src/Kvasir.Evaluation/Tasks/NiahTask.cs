using Kvasir.Evaluation.Scoring;
using Kvasir.Evaluation.Texts;

namespace Kvasir.Evaluation.Tasks;

/// <summary>Names with secret values are hidden in a text, and the values of some are asked for. RULER's eight retrieval tasks are shapes of it.</summary>
internal sealed class NiahTask(string name, NiahShape shape) : EvaluationTask
{
    private const int RulerAnswerTokens = 128;

    public static TaskEntry[] Entries { get; } =
    [
        Ruler("niah_single_1", "one number in repeated sentences", new NiahShape(HaystackKind.Noise)),
        Ruler("niah_single_2", "one number in an essay", new NiahShape(HaystackKind.Essay)),
        Ruler("niah_single_3", "one UUID in an essay", new NiahShape(HaystackKind.Essay) { UuidValues = true }),
        Ruler("niah_multikey_1", "one of four numbers in an essay", new NiahShape(HaystackKind.Essay, Keys: 4)),
        Ruler("niah_multikey_2", "one number among nothing but numbers", new NiahShape(HaystackKind.Needles)),
        Ruler(
            "niah_multikey_3", "one UUID, named by a UUID, among nothing but such", new NiahShape(HaystackKind.Needles) { UuidKeys = true, UuidValues = true }),
        Ruler("niah_multivalue", "the four numbers of one name in an essay", new NiahShape(HaystackKind.Essay, Values: 4)),
        Ruler("niah_multiquery", "four numbers of four names in an essay", new NiahShape(HaystackKind.Essay, Keys: 4, Queries: 4)),
        new(
            "niah", "haystack", "one number in an essay, at eleven depths that take turns", "Kamradt, needle in a haystack",
            _ => new NiahTask("niah", new NiahShape(HaystackKind.Essay) { GridDepths = 11 })),
    ];

    public override Sample Generate(SampleRequest request)
    {
        var dice = Dice.Of(name, request);
        var parts = new NeedleParts(dice.Part(0), shape.UuidKeys, shape.UuidValues);
        var hidden = shape.Keys * shape.Values;
        var needles = Enumerable.Range(0, hidden).Select(i => parts.Sentence(parts.Name(i / shape.Values), parts.Value(i))).ToArray();
        var asked = dice.Draw([.. Enumerable.Range(0, shape.Keys)], shape.Queries);
        string[] answers = [.. asked.SelectMany(key => Enumerable.Range(key * shape.Values, shape.Values)).Select(parts.Value)];
        var depths = shape.GridDepths > 0 ? [request.Index % shape.GridDepths / (shape.GridDepths - 1.0)] : Needles.DrawDepths(dice, hidden);
        dice.Shuffle<string>(needles);
        var text = TextAround(dice.Part(1), parts, hidden);
        var fit = new SampleFit(name, request);
        var empty = new Sample(
            "", Question(parts, asked, out var prefix), prefix, answers, fit.AnswerTokens(RulerAnswerTokens, answers), ScoringRule.ContainsAll)
        {
            Depth = hidden == 1 ? depths[0] : null,
        };
        var instruction = $"The text below hides secret {parts.Kind}s, each under a name. Keep them in mind: a question follows.\n\n";
        return fit.Fill(
            units => empty with { Context = instruction + Needles.Hide(text(units), needles, depths) },
            mostUnits: shape.Haystack == HaystackKind.Needles ? parts.Count - hidden : int.MaxValue);
    }

    private static TaskEntry Ruler(string name, string summary, NiahShape shape) =>
        new(name, TaskCatalog.Ruler, summary, TaskCatalog.RulerPaper, _ => new NiahTask(name, shape));

    // A unit is a word, or a needle where there is nothing else.
    private Func<int, List<string>> TextAround(Dice dice, NeedleParts parts, int hidden) => shape.Haystack switch
    {
        HaystackKind.Noise => new NoiseText().Take,
        HaystackKind.Essay => new Essay(dice).Take,
        _ => units => [.. Enumerable.Range(hidden, units).Select(i => parts.Sentence(parts.Name(i), parts.Value(i)))],
    };

    private string Question(NeedleParts parts, int[] asked, out string prefix)
    {
        var names = asked.Select(parts.Name).ToArray();
        var list = names.Length == 1 ? names[0] : $"{string.Join(", ", names[..^1])}, and {names[^1]}";
        var many = names.Length * shape.Values > 1;
        prefix = many ? $" The secret {parts.Kind}s of {list} in the text above are" : $" The secret {parts.Kind} of {list} in the text above is";
        return many
            ? $"\n\nWhat are all the secret {parts.Kind}s of {list} in the text above?"
            : $"\n\nWhat is the secret {parts.Kind} of {list} in the text above?";
    }
}

/// <summary>What a needle task hides, and in what.</summary>
/// <param name="Haystack">The text around the needles.</param>
/// <param name="Keys">How many names are hidden.</param>
/// <param name="Values">How many values each name has.</param>
/// <param name="Queries">How many of the names are asked for.</param>
internal sealed record NiahShape(HaystackKind Haystack, int Keys = 1, int Values = 1, int Queries = 1)
{
    /// <summary>Names are UUIDs, not words.</summary>
    public bool UuidKeys { get; init; }

    /// <summary>Values are UUIDs, not numbers.</summary>
    public bool UuidValues { get; init; }

    /// <summary>So many depths, from the text's beginning to its end, take turns with the sample's index; 0: depths are drawn.</summary>
    public int GridDepths { get; init; }
}

/// <summary>The text around needles.</summary>
internal enum HaystackKind
{
    /// <summary>A few sentences, over and over.</summary>
    Noise,

    /// <summary>Prose in which no sentence is like another.</summary>
    Essay,

    /// <summary>Nothing but other needles.</summary>
    Needles,
}
