using Kvasir.Cli.Shared.Flags;
using Kvasir.Cli.Terminal;
using Kvasir.Files;
using Kvasir.Planning;
using Kvasir.Tiers;

namespace Kvasir.Cli.Shared;

/// <summary>The way from a model's name to an engine that is ready, with what a person wants to see on it.</summary>
internal static class ModelSetup
{
    /// <param name="quiet">Without what was passed over in the files.</param>
    /// <param name="hasProgress">Whether the time that it takes is filled with a line.</param>
    /// <exception cref="KvasirException">As <see cref="Model.Load"/>.</exception>
    public static Model Load(Shell shell, string name, ModelOptions options, bool quiet, bool hasProgress = true)
    {
        Model model;
        using (new ProgressLine(shell, quiet || !hasProgress, () => $"loading {Printable.Line(name)}"))
        {
            model = Model.Load(name, options);
            model.Weights.ReadAhead();
        }

        foreach (var line in quiet ? [] : model.Notes)
            shell.Note($"note: {Printable.Line(line)}");
        return model;
    }

    /// <summary>An engine whose attention is chosen by the machine where the user named no policy.</summary>
    /// <exception cref="KvasirException">As the constructor of <see cref="Engine"/>.</exception>
    /// <param name="isConversation">Whether one prompt repeats another.</param>
    public static StartedEngine Start(Shell shell, Model model, TypedCommand typed, bool quiet, bool isConversation = false)
    {
        var store = PrefixFolder.Open(shell, typed, quiet, isConversation);
        try
        {
            var options = EngineFlags.Read(typed) with { PrefixCache = isConversation || store is not null, PrefixStores = store is null ? [] : [store] };
            var plan = PlannedOptions.Read(typed);
            var sizes = plan is null ? null : ModelSizes.Of(model);
            options = sizes is null ? options : PlannedOptions.Apply(options, plan, typed, sizes);
            if (plan is not null)
                PlannedOptions.Warn(shell, typed, plan, sizes!, options.KvDirectory);
            var choice = EngineFlags.IsAuto(typed) && plan is null ? Choose(shell, model, options, quiet) : null;
            options = choice is null ? options : options with { Attention = choice.Attention.Create() };
            return new StartedEngine(Start(shell, model, options, quiet), choice) { Store = store };
        }
        catch
        {
            store?.Dispose();
            throw;
        }
    }

    /// <exception cref="KvasirException">As the constructor of <see cref="Engine"/>.</exception>
    public static Engine Start(Shell shell, Model model, EngineOptions options, bool quiet)
    {
        var engine = new Engine(model, options);
        if (quiet)
            return engine;
        foreach (var line in AnswerFigures.PlanLines(engine))
            shell.Note(line);
        if (engine.Plan.WhyDiskIsCached is { } why)
            shell.Note($"note: what lies in --kv-dir is read through the page cache, which takes memory beside --kv-memory: {Printable.Line(why)}");
        var native = model.Config.ContextTokens;
        if (engine.ContextTokens > native)
            shell.Note($"note: past the {SizeText.Count(native)} tokens that the model was made for, its text may be nonsense");
        if (engine.Plan.TokensThatFit < engine.ContextTokens)
            shell.Note($"note: the KV memory holds fewer tokens than the context; --kv q8 or a larger --kv-memory holds more");
        return engine;
    }

    private static AutoChoice Choose(Shell shell, Model model, EngineOptions options, bool quiet)
    {
        if (options.KvDirectory is not null)
            return AutoAttention.ChooseForFiles();
        using var progress = new ProgressLine(shell, quiet, static () => "measuring from which length sparse attention pays");
        return AutoAttention.Choose(model.Config, options.Kv, options.ContextTokens);
    }
}

/// <summary>An engine that is ready, and how its attention was chosen.</summary>
/// <param name="Engine">Owned by whoever started it.</param>
/// <param name="Auto">What was chosen for a user who named no policy; null where one was named.</param>
internal sealed record StartedEngine(Engine Engine, AutoChoice? Auto) : IDisposable
{
    /// <summary>The policy of its sequences, for people.</summary>
    public string Attention => Auto?.ToString() ?? Engine.Policy.Name;

    /// <summary>Where beginnings of its prompts are kept; null for nowhere.</summary>
    public DiskPrefixStore? Store { get; init; }

    public void Dispose()
    {
        Engine.Dispose();
        Store?.Dispose();
    }
}
