using System.Diagnostics;

namespace Kvasir.Server.Telemetry;

/// <summary>
/// A span for each request that a model answered, written when it has ended, with its first token, its preemptions and its cancellation as events.
/// </summary>
internal sealed class AnswerTrace : IDisposable
{
    private readonly ActivitySource _source = new(RequestMeter.Name);

    public void Write(RequestRecord record)
    {
        if (!_source.HasListeners() || record.Answer is not { } answer)
            return;
        var operation = answer.Request.Prompt.IsConversation ? "chat" : "text_completion";
        var parent = record.Trace is var (text, state) && ActivityContext.TryParse(text, state, isRemote: true, out var given) ? given : default;
        // What the host has begun for itself is nobody's parent: it may be told to nobody.
        Activity.Current = null;
        using var span = _source.StartActivity($"{operation} {answer.Model.Id}", ActivityKind.Server, parent, startTime: record.StartedAt);
        if (span is null)
            return;
        span.SetTag("gen_ai.operation.name", operation).SetTag("gen_ai.provider.name", "kvasir").SetTag("gen_ai.response.model", answer.Model.Id)
            .SetTag("gen_ai.usage.input_tokens", answer.PromptTokens).SetTag("gen_ai.usage.output_tokens", answer.CompletionTokens)
            .SetTag("http.route", record.Route).SetTag("http.response.status_code", record.Status)
            .SetTag("kvasir.request_id", record.Id).SetTag("kvasir.cached_tokens", answer.CachedTokens)
            .SetTag("kvasir.attention", Answers.AnswerHeaders.AttentionOf(answer));
        var submitted = record.StartedAt + record.UntilSubmission;
        var timings = answer.Choices[0].Sequence.Timings;
        if (double.IsFinite(timings.FirstTokenMs))
            span.AddEvent(new ActivityEvent("first_token", submitted.AddMilliseconds(timings.FirstTokenMs)));
        foreach (var ms in answer.Choices.Where(static choice => choice.Sequence.Finish != FinishReason.None)
            .SelectMany(static choice => choice.Sequence.Timings.PreemptionsMs))
            span.AddEvent(new ActivityEvent("preempted", submitted.AddMilliseconds(ms)));
        var end = record.StartedAt + record.Elapsed;
        if (record.IsGone)
            span.AddEvent(new ActivityEvent("cancelled", end));
        if (record.Error is { } error)
            span.SetStatus(ActivityStatusCode.Error, error.Kind.Code).SetTag("error.type", error.Kind.Code);
        else
            span.SetTag("gen_ai.response.finish_reasons", answer.Choices.Select(static choice => choice.Finish.ToString()).ToArray());
        span.SetEndTime(end.UtcDateTime);
    }

    public void Dispose() => _source.Dispose();
}
