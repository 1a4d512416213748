namespace Kvasir.Requests.Scheduling;

/// <summary>The prompts that a step may compute rows of, and how many rows each has.</summary>
internal sealed class StepPrompts
{
    private readonly EngineOptions _options;
    private readonly List<Sequence> _prompts;
    private readonly int[] _left;
    private readonly int[] _shares;
    private readonly double[] _costs;

    public StepPrompts(EngineOptions options)
    {
        (_options, _prompts, Budget) = (options, new List<Sequence>(options.MaxSequences), new PromptBudget(options.StepMs));
        (_left, _shares, _costs) = (new int[options.MaxSequences], new int[options.MaxSequences], new double[options.MaxSequences]);
    }

    public PromptBudget Budget { get; }

    public int Count => _prompts.Count;

    /// <summary>Rows that all of them have left.</summary>
    public long RowsLeft
    {
        get
        {
            var rows = 0L;
            foreach (var prompt in _prompts)
                rows += prompt.PrefillCount - prompt.CachedCount;
            return rows;
        }
    }

    /// <summary>Rows that were divided.</summary>
    public int RowsAllowed { get; private set; }

    /// <summary>Whose prompt is not computed and may be, since nothing of it is on its way: the oldest of the highest priority first.</summary>
    public void Collect(List<Sequence> running, double nowMs)
    {
        _prompts.Clear();
        foreach (var sequence in running)
        {
            if (!sequence.IsPrefilling || sequence.Load is not null)
                continue;
            var place = _prompts.Count;
            while (place > 0 && WaitingQueue.IsBefore(sequence, _prompts[place - 1], nowMs))
                place--;
            _prompts.Insert(place, sequence);
        }
    }

    /// <summary>Leaves those out that wait for rows which one before them is about to compute: two would compute the same.</summary>
    public void HoldBack()
    {
        for (var i = 1; i < _prompts.Count;)
        {
            if (IsComputedBefore(i))
                _prompts.RemoveAt(i);
            else
                i++;
        }
    }

    /// <summary>What the next step has for them: all that there is place for, or as much as its time allows where others decode.</summary>
    public int Rows(int most, bool besideDecoding) =>
        besideDecoding && !_options.PromptsFirst && _prompts.Count > 0 ? Budget.Rows(_prompts[0].CachedCount, most) : most;

    /// <summary>Says how many rows each has.</summary>
    public void Divide(int most, bool besideDecoding)
    {
        RowsAllowed = Rows(most, besideDecoding);
        var count = _prompts.Count;
        for (var i = 0; i < count; i++)
            (_left[i], _costs[i]) = (_prompts[i].PrefillCount - _prompts[i].CachedCount, besideDecoding ? Budget.RowMs(_prompts[i].CachedCount) : 1);
        if (_options.PromptsFirst)
            PromptShares.InOrder(_left.AsSpan(0, count), RowsAllowed, _shares);
        else if (count > 0)
            PromptShares.Divide(_left.AsSpan(0, count), _costs.AsSpan(0, count), RowsAllowed, _shares.AsSpan(0, count));
    }

    public (Sequence Sequence, int Rows) Share(int index) => (_prompts[index], _shares[index]);

    private bool IsComputedBefore(int index)
    {
        for (var i = 0; i < index; i++)
        {
            if (PrefixReuse.ComputesNextOf(_prompts[i], _prompts[index]))
                return true;
        }

        return false;
    }
}
