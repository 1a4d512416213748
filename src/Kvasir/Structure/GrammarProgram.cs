namespace Kvasir.Structure;

/// <summary>A grammar, ready to be run: its steps, and which bytes none of them can tell apart.</summary>
internal sealed class GrammarProgram
{
    /// <summary>How deep the values of an answer may be nested.</summary>
    public const int MostDepth = 64;

    private readonly byte[] _classes = new byte[256];
    private readonly bool[] _contains;     // [set, class]

    public GrammarProgram(GrammarStep[] steps, ByteSet[] sets, int[] targets, Repetition[] repetitions, int start)
    {
        (Steps, Targets, Repetitions, Start) = (steps, targets, repetitions, start);
        var first = new List<byte>();
        for (var value = 0; value < 256; value++)
        {
            var known = first.FindIndex(other => Array.TrueForAll(sets, set => set.Contains(other) == set.Contains((byte)value)));
            if (known < 0)
            {
                known = first.Count;
                first.Add((byte)value);
            }

            _classes[value] = (byte)known;
        }

        ClassCount = first.Count;
        _contains = new bool[sets.Length * first.Count];
        for (var set = 0; set < sets.Length; set++)
        {
            for (var c = 0; c < first.Count; c++)
                _contains[(set * first.Count) + c] = sets[set].Contains(first[c]);
        }

        foreach (var step in steps)
            Height = step.Kind == StepKind.Guard ? Math.Max(Height, step.Argument) : Height;
    }

    public GrammarStep[] Steps { get; }

    /// <summary>Where branches lead.</summary>
    public int[] Targets { get; }

    public Repetition[] Repetitions { get; }

    public int Start { get; }

    /// <summary>Bytes of a class are alike to every step.</summary>
    public int ClassCount { get; }

    /// <summary>The most that any step looks down.</summary>
    public int Height { get; }

    /// <summary>[256]: the class of a byte.</summary>
    public ReadOnlySpan<byte> Classes => _classes;

    public bool Contains(int set, int byteClass) => _contains[(set * ClassCount) + byteClass];
}
