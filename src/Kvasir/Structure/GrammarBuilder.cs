using Kvasir.Structure.Patterns;

namespace Kvasir.Structure;

/// <summary>Collects the steps of a grammar, from the end: each is told what comes after it. Equal steps are one.</summary>
internal sealed class GrammarBuilder
{
    /// <summary>The step that ends every rule.</summary>
    public const int Return = 0;

    /// <summary>The step that nothing passes.</summary>
    public const int Never = 1;

    private readonly CompileBudget _budget;
    private readonly List<GrammarStep> _steps = [];
    private readonly Dictionary<GrammarStep, int> _known = [];
    private readonly List<ByteSet> _sets = [];
    private readonly Dictionary<ByteSet, int> _setIds = [];
    private readonly List<int> _targets = [];
    private readonly Dictionary<string, int> _branches = new(StringComparer.Ordinal);
    private readonly List<Repetition> _repetitions = [];

    public GrammarBuilder(CompileBudget budget)
    {
        _budget = budget;
        Add(new GrammarStep(StepKind.Return));
        Add(new GrammarStep(StepKind.Branch));
    }

    public CompileBudget Budget => _budget;

    public int Byte(char value, int next) => Bytes(ByteSet.Of((byte)value), next);

    public int Bytes(ByteSet set, int next)
    {
        if (next == Never)
            return Never;
        if (!_setIds.TryGetValue(set, out var id))
        {
            _setIds.Add(set, id = _sets.Count);
            _sets.Add(set);
        }

        return Add(new GrammarStep(StepKind.Bytes, next, id));
    }

    public int Literal(ReadOnlySpan<byte> text, int next)
    {
        for (var i = text.Length - 1; i >= 0; i--)
            next = Bytes(ByteSet.Of(text[i]), next);
        return next;
    }

    public int Control(int token, int next) => next == Never ? Never : Add(new GrammarStep(StepKind.Control, next, token));

    public int Branch(params IEnumerable<int> targets)
    {
        int[] own = [.. targets.Where(static target => target != Never).Distinct()];
        if (own.Length < 2)
            return own.Length == 0 ? Never : own[0];
        var key = string.Join(',', own);
        if (_branches.TryGetValue(key, out var known))
            return known;
        var start = _targets.Count;
        _targets.AddRange(own);
        return _branches[key] = Add(new GrammarStep(StepKind.Branch, -1, start, own.Length));
    }

    public int Guard(int height, int next) => next == Never || height > GrammarProgram.MostDepth ? Never : Add(new GrammarStep(StepKind.Guard, next, height));

    public int Call(int rule, bool isNested, int next) =>
        rule == Never || next == Never ? Never : Add(new GrammarStep(StepKind.Call, next, rule, isNested ? 1 : 0));

    /// <summary>A body any number of times between two.</summary>
    public int Repeat(int least, int most, int body, int next)
    {
        var step = Reserve();
        SetCount(step, new Repetition(least, most, true, body == Never ? [] : [(body, step)]), next);
        return step;
    }

    /// <summary>Any bytes up to a text, and behind it what follows.</summary>
    public int Until(ReadOnlySpan<byte> text, int next)
    {
        var steps = new int[text.Length + 1];
        for (var matched = 0; matched < text.Length; matched++)
            steps[matched] = Reserve();
        steps[^1] = next;
        for (var matched = 0; matched < text.Length; matched++)
        {
            var sets = new Dictionary<int, ByteSet>();
            for (var value = 0; value < 256; value++)
            {
                var target = steps[Matched(text, matched, (byte)value)];
                sets[target] = sets.GetValueOrDefault(target).Union(ByteSet.Of((byte)value));
            }

            Set(steps[matched], Branch(sets.Select(pair => Bytes(pair.Value, pair.Key))));
        }

        return steps[0];
    }

    /// <summary>A step that is decided later.</summary>
    public int Reserve()
    {
        _budget.Take();
        _steps.Add(new GrammarStep(StepKind.Guard, Never));
        return _steps.Count - 1;
    }

    public void Set(int reserved, int target) => _steps[reserved] = new GrammarStep(StepKind.Guard, target);

    public void SetCount(int reserved, Repetition repetition, int next)
    {
        _steps[reserved] = new GrammarStep(StepKind.Count, next, _repetitions.Count);
        _repetitions.Add(repetition);
    }

    public GrammarProgram ToProgram(int start) => new([.. _steps], [.. _sets], [.. _targets], [.. _repetitions], start);

    // How much of the text is there when a byte follows what was: the longest of its beginnings that the bytes end with.
    private static int Matched(ReadOnlySpan<byte> text, int matched, byte value)
    {
        for (var length = matched; length >= 0; length--)
        {
            if (text[length] == value && text[..length].SequenceEqual(text.Slice(matched - length, length)))
                return length + 1;
        }

        return 0;
    }

    private int Add(GrammarStep step)
    {
        if (_known.TryGetValue(step, out var known))
            return known;
        _budget.Take();
        _steps.Add(step);
        return _known[step] = _steps.Count - 1;
    }
}
