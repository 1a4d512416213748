using System.Globalization;
using System.Runtime.CompilerServices;
using Kvasir.Attention;
using Kvasir.Attention.Policies;
using Kvasir.Calls;
using Kvasir.Files;
using Kvasir.Ground;
using Kvasir.Requests;
using Kvasir.Structure;
using Kvasir.Text;
using Microsoft.Extensions.AI;

namespace Kvasir;

/// <summary>
/// A model behind <see cref="IChatClient"/>: stateless; streams, honours temperature, top-p, top-k, seed, penalties, token limit and stop
/// sequences, reports usage, and cancels. <c>AdditionalProperties["kvasir.attention"]</c> names a policy for one request, and <c>["kvasir.audit"]</c>
/// the share of its attention that is audited; what that found is in the last update's <c>AdditionalProperties["kvasir.audit"]</c>, and so in the
/// message's, as <see cref="AuditFigures"/>; the usage counts the heads that were audited. Answers are held to a JSON format or schema, whose keywords that
/// could not be followed are in the last update's <c>["kvasir.ignored"]</c>; tools are called as the model's template has them, and what the model thinks first
/// is reasoning. What a request asks for and would not get (tools that the template does not know, a stored conversation, content that is no text) is a
/// <see cref="KvasirException"/>, as is an option outside its range. Client and model may be disposed while answers stream: those then end with
/// <see cref="ObjectDisposedException"/>, and so do later calls.
/// </summary>
public sealed class KvasirChatClient : IChatClient
{
    private const string AuditKey = "kvasir.audit";
    private const string IgnoredKey = "kvasir.ignored";
    private const string AuditedHeadsKey = "kvasir.audit.heads";
    private readonly EngineLoop _loop;
    private readonly Model _model;
    private readonly ChatTemplate _template;
    private readonly AnswerFormat _format;
    private readonly ChatClientMetadata _metadata;
    private readonly bool _ownsLoop;

    /// <param name="model">Disposed by whoever loaded it.</param>
    /// <param name="options">Of the engine that the client owns.</param>
    /// <param name="template">In place of the model's own, or for a model that has none.</param>
    /// <exception cref="KvasirException">As the constructor of <see cref="Engine"/>; or there is no template.</exception>
    public KvasirChatClient(Model model, EngineOptions? options = null, ChatTemplate? template = null)
    {
        ArgumentNullException.ThrowIfNull(model);
        (_model, _template) = (model, Required(model, template));
        _format = AnswerFormat.Of(_template, model.Tokenizer);
        _metadata = new ChatClientMetadata("kvasir", defaultModelId: model.Config.Name);
        options ??= new EngineOptions();
        // The next turn repeats this one.
        var engine = new Engine(model, options with { PrefixCache = options.PrefixCache ?? true });
        (_loop, _ownsLoop) = (new EngineLoop(engine), true);
    }

    /// <summary>A client of an engine that others use too, and that whoever made it disposes of.</summary>
    /// <exception cref="KvasirException">There is no template.</exception>
    public KvasirChatClient(EngineLoop loop, ChatTemplate? template = null)
    {
        ArgumentNullException.ThrowIfNull(loop);
        (_loop, _model) = (loop, loop.Engine.Model);
        _template = Required(_model, template);
        _format = AnswerFormat.Of(_template, _model.Tokenizer);
        _metadata = new ChatClientMetadata("kvasir", defaultModelId: _model.Config.Name);
    }

    /// <exception cref="ArgumentException">The messages are null, or one of them is.</exception>
    /// <exception cref="KvasirException">The request is refused, or fails.</exception>
    /// <exception cref="ObjectDisposedException">The client or its model was disposed.</exception>
    public Task<ChatResponse> GetResponseAsync(
        IEnumerable<ChatMessage> messages, ChatOptions? options = null, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(messages);
        return Stream(messages, options, cancellationToken).ToChatResponseAsync(cancellationToken);
    }

    /// <inheritdoc cref="GetResponseAsync"/>
    public IAsyncEnumerable<ChatResponseUpdate> GetStreamingResponseAsync(
        IEnumerable<ChatMessage> messages, ChatOptions? options = null, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(messages);
        return Stream(messages, options, cancellationToken);
    }

    /// <summary>Writes the keys and values of a conversation to a file, as far as the engine has them, for <see cref="LoadKvAsync"/>.</summary>
    /// <param name="messages">Of the conversation, the last answer among them.</param>
    /// <param name="options">As the conversation had them.</param>
    /// <inheritdoc cref="Engine.SaveKv"/>
    public Task<KvFileUse> SaveKvAsync(string path, IEnumerable<ChatMessage> messages, ChatOptions? options = null)
    {
        ArgumentNullException.ThrowIfNull(messages);
        var prompt = Prompt(messages, options, ChatTools.Of(options, _format, _model.Path));
        return _loop.SaveKvAsync(path, prompt, new GenerationOptions { Attention = Policy(options) });
    }

    /// <summary>Takes the keys and values of a conversation out of a file: its next turn computes what is new.</summary>
    /// <param name="options">As the conversation will have them.</param>
    /// <inheritdoc cref="Engine.LoadKv"/>
    public Task<KvFileUse> LoadKvAsync(string path, ChatOptions? options = null) =>
        _loop.LoadKvAsync(path, default, new GenerationOptions { Attention = Policy(options) });

    /// <summary>Gives the <see cref="Engine"/>, the <see cref="Model"/>, the client's metadata, or the client itself.</summary>
    public object? GetService(Type serviceType, object? serviceKey = null)
    {
        ArgumentNullException.ThrowIfNull(serviceType);
        if (serviceKey is not null)
            return null;
        return serviceType == typeof(ChatClientMetadata) ? _metadata
            : serviceType == typeof(Engine) ? _loop.Engine
            : serviceType == typeof(Model) ? _model
            : serviceType.IsInstanceOfType(this) ? this
            : null;
    }

    public void Dispose() => (_ownsLoop ? _loop : null)?.Dispose();

    private static ChatTemplate Required(Model model, ChatTemplate? template) => template ?? model.Template ?? throw new KvasirException(
        KvasirError.BadTemplate, $"{model.Path} has no chat template; give one, or complete text with an Engine");

    private async IAsyncEnumerable<ChatResponseUpdate> Stream(
        IEnumerable<ChatMessage> messages, ChatOptions? options, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        var tools = ChatTools.Of(options, _format, _model.Path);
        var prompt = Prompt(messages, options, tools);
        var thinks = _format.OpensReasoning(prompt, _model.Tokenizer);
        var stops = options?.StopSequences is { } given ? StopMatcher.Checked(given.AsReadOnly()) : [];
        var sequence = new Sequence(prompt, Generation(options, tools, thinks) with { Stop = AnswerFormat.ControlStops(stops, _model.Tokenizer) });
        await _loop.SubmitAsync(sequence).ConfigureAwait(false);
        var responseId = $"kvasir-{Guid.NewGuid():N}";
        var contents = new ChatContents(new AnswerSplitter(_format, tools.AreLookedFor, tools.IsParallel, thinks, stops));
        try
        {
            await foreach (var token in sequence.ReadAllAsync(cancellationToken).ConfigureAwait(false))
            {
                foreach (var content in contents.Push(token.Token, token.Text))
                    yield return Update(responseId, [content]);
                if (contents.IsOver)
                    break;
            }

            foreach (var content in contents.Finish())
                yield return Update(responseId, [content]);
        }
        finally
        {
            // Reached too when the reader stops early: nobody waits for the rest of the answer.
            sequence.Cancel();
        }

        cancellationToken.ThrowIfCancellationRequested();
        var last = Update(responseId, [new UsageContent(Usage(sequence, contents))]);
        if (sequence.AuditFigures is { } audit)
            last.AdditionalProperties = new AdditionalPropertiesDictionary { [AuditKey] = audit };
        if (sequence.Options.Constraint is JsonConstraint { IgnoredKeywords: [_, ..] ignored })
            (last.AdditionalProperties ??= [])[IgnoredKey] = ignored;
        // The engine may be at its limit by the time that the end is found in the text.
        var isCut = !contents.IsOver && sequence.Finish is FinishReason.Length or FinishReason.ContextFull or FinishReason.KvFull;
        last.FinishReason = isCut ? ChatFinishReason.Length
            : contents.HasCalls ? ChatFinishReason.ToolCalls : ChatFinishReason.Stop;
        yield return last;
    }

    private int[] Prompt(IEnumerable<ChatMessage> messages, ChatOptions? options, ChatTools tools) => _model.EncodeChat(
        _format.Fitted(ChatMessages.Turns(messages, options)), new ChatTemplateOptions { Tools = tools.Descriptions }, _template);

    private static AttentionPolicy? Policy(ChatOptions? options) =>
        options?.AdditionalProperties?.TryGetValue("kvasir.attention", out var name) == true ? PolicyCatalog.Parse($"{name}") : null;

    private static UsageDetails Usage(Sequence sequence, ChatContents contents) => new()
    {
        InputTokenCount = sequence.PromptCount,
        OutputTokenCount = contents.TokenCount,
        TotalTokenCount = sequence.PromptCount + contents.TokenCount,
        ReasoningTokenCount = contents.ReasoningTokens,
        CachedInputTokenCount = sequence.CachedTokens,
        AdditionalCounts = sequence.AuditFigures is { } audit ? new AdditionalPropertiesDictionary<long> { [AuditedHeadsKey] = audit.HeadCount } : null,
    };

    // What a request asks for and would not get is refused, not ignored.
    private GenerationOptions Generation(ChatOptions? options, ChatTools tools, bool thinks)
    {
        if (options?.ConversationId is { } conversation)
            throw new KvasirException(
                KvasirError.Unsupported,
                $"conversation '{MessageText.Line(conversation)}' was named; this client keeps none, and takes all of its messages each time");
        return new GenerationOptions
        {
            MaxTokens = options?.MaxOutputTokens,
            Attention = Policy(options),
            AuditShare = options?.AdditionalProperties?.TryGetValue(AuditKey, out var share) == true ? AuditShare(share) : null,
            Sampling = Sampling(options, tools),
            Constraint = Constraint(options, tools, thinks),
            ShownControls = _format.ShownControls,
        };
    }

    private JsonConstraint? Constraint(ChatOptions? options, ChatTools tools, bool thinks)
    {
        var json = options?.ResponseFormat as ChatResponseFormatJson;
        if (json is null && !tools.MustBeCalled)
            return null;
        return _model.Constraints.Answer(new AnswerDemand
        {
            Schema = tools.MustBeCalled ? null : json!.Schema?.GetRawText() ?? AnswerDemand.AnyObject.Schema,
            Tools = tools.Allowed,
            IsParallel = tools.IsParallel,
            Format = _format,
            BeginsInReasoning = thinks,
        });
    }

    private static double AuditShare(object? share) =>
        double.TryParse(Convert.ToString(share, CultureInfo.InvariantCulture), NumberStyles.Float, CultureInfo.InvariantCulture, out var value)
            ? value
            : throw new KvasirException(KvasirError.BadOption, $"{AuditKey} '{share}' is not a number from 0 to 1");

    private SamplingOptions Sampling(ChatOptions? options, ChatTools tools)
    {
        var defaults = SamplingOptions.For(_model.Defaults);
        return defaults with
        {
            Temperature = options?.Temperature ?? defaults.Temperature,
            TopP = options?.TopP ?? defaults.TopP,
            TopK = options?.TopK ?? defaults.TopK,
            FrequencyPenalty = options?.FrequencyPenalty ?? 0,
            PresencePenalty = options?.PresencePenalty ?? 0,
            LogitBias = tools.AreBanned && _format.OpeningToken is { } opening ? new Dictionary<int, float> { [opening] = -100 } : defaults.LogitBias,
            Seed = options?.Seed is { } seed ? (ulong)seed : null,
        };
    }

    private ChatResponseUpdate Update(string responseId, IList<AIContent> contents) => new(ChatRole.Assistant, contents)
    {
        ResponseId = responseId,
        MessageId = responseId,
        ModelId = _model.Config.Name,
        CreatedAt = DateTimeOffset.UtcNow,
    };
}
