namespace Kvasir.Evaluation.Texts;

/// <summary>Names and values of needles, by number: no name comes twice within a sample.</summary>
internal sealed class NeedleParts
{
    private readonly Dice _dice;

    private readonly bool _uuidNames;

    private readonly bool _uuidValues;

    private readonly int[] _pairs;

    public NeedleParts(Dice dice, bool uuidNames, bool uuidValues)
    {
        (_dice, _uuidNames, _uuidValues) = (dice, uuidNames, uuidValues);
        _pairs = uuidNames ? [] : [.. Enumerable.Range(0, Lexicon.Adjectives.Length * Lexicon.Nouns.Length)];
        dice.Part(-1).Shuffle<int>(_pairs);
    }

    /// <summary>How many names there are.</summary>
    public int Count => _uuidNames ? int.MaxValue : _pairs.Length;

    /// <summary>What values are called: "number".</summary>
    public string Kind => _uuidValues ? "identifier" : "number";

    public string Name(int index) => _uuidNames ? _dice.Part(2 * index).Uuid() : PairName(_pairs[index]);

    /// <summary>Seven digits, or a UUID.</summary>
    public string Value(int index) => _dice.Part(2 * index + 1) is var draws && _uuidValues ? draws.Uuid() : draws.Number(7);

    public string Sentence(string name, string value) => $"The secret {Kind} of {name} is {value}.";

    private static string PairName(int pair) => $"{Lexicon.Adjectives[pair / Lexicon.Nouns.Length]}-{Lexicon.Nouns[pair % Lexicon.Nouns.Length]}";
}
