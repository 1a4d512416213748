using Kvasir.Calls;
using Kvasir.Server.Errors;
using Kvasir.Structure;

namespace Kvasir.Server.Answers;

/// <summary>A prompt's tokens, what its answers are held to, and how they are taken apart.</summary>
internal sealed class ReadyPrompt
{
    private readonly AnswerRequest _request;
    private readonly bool _opensReasoning;

    /// <summary>Compiles what answers are held to, which may take half a second: not for the engine's thread.</summary>
    /// <exception cref="RequestException">The schema is damaged, or asks for what is not supported.</exception>
    public ReadyPrompt(AnswerRequest request, int[] tokens)
    {
        (_request, Tokens) = (request, tokens);
        Options = request.Options with { Keep = [.. request.Options.Keep, .. request.Prompt.Keeps(request.Model, tokens)] };
        if (!request.Prompt.IsConversation)
        {
            Options = Options with { Constraint = Constraint(null) };
            return;
        }

        var format = request.Model.Format;
        _opensReasoning = format.OpensReasoning(tokens, request.Model.Model.Tokenizer);
        Options = Options with { ShownControls = format.ShownControls, Constraint = Limited(Constraint(format)), Sampling = Banned(Options.Sampling) };
        // Texts that end an answer do so in what is said; the engine does not know what that is.
        if (IsSplit(format))
            Options = Options with { Stop = AnswerFormat.ControlStops(Options.Stop, request.Model.Model.Tokenizer) };
    }

    public int[] Tokens { get; }

    public GenerationOptions Options { get; }

    /// <summary>For one answer; null where all of it is text.</summary>
    public AnswerSplitter? NewSplitter()
    {
        var (format, tools) = (_request.Model.Format, _request.Tools);
        return IsSplit(format)
            ? new AnswerSplitter(format, tools.AreLookedFor, tools.IsParallel, _opensReasoning, _request.Options.Stop)
            : null;
    }

    private bool IsSplit(AnswerFormat format) => _request.Prompt.IsConversation && (format.HasReasoning || _request.Tools.AreLookedFor);

    // With both a schema and tools that may be called, an answer is one or the other.
    private JsonConstraint? Constraint(AnswerFormat? format)
    {
        var (schema, tools) = (_request.Schema, _request.Tools);
        var isCalled = tools.Use == ToolUse.Required;
        if (schema is null && !isCalled)
            return null;
        try
        {
            return _request.Model.Model.Constraints.Answer(new AnswerDemand
            {
                Schema = isCalled ? null : schema!.Text,
                IsStrict = schema?.IsStrict ?? false,
                Tools = tools.AreLookedFor ? tools.Allowed : [],
                IsParallel = tools.IsParallel,
                Format = format,
                BeginsInReasoning = _opensReasoning,
            });
        }
        catch (KvasirException refusal)
        {
            var error = EngineErrors.Of(refusal, isRunning: false);
            throw new RequestException(error with { Param = isCalled ? "tools" : schema!.Place });
        }
    }

    private AnswerConstraint? Limited(JsonConstraint? constraint)
    {
        var model = _request.Model;
        return _request.ReasoningTokens is { } most && model.Format.HasReasoning
            ? new ReasoningLimit(model.Format, model.Model.Tokenizer, most, _opensReasoning, constraint)
            : constraint;
    }

    private SamplingOptions Banned(SamplingOptions sampling)
    {
        if (_request.Tools is not { IsEmpty: false, Use: ToolUse.Banned } || _request.Model.Format.OpeningToken is not { } opening)
            return sampling;
        return sampling with { LogitBias = new Dictionary<int, float>(sampling.LogitBias) { [opening] = -100 } };
    }
}
