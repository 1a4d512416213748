using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Options;
using OpenTelemetry;
using OpenTelemetry.Exporter;
using OpenTelemetry.Metrics;
using OpenTelemetry.Trace;

namespace Kvasir.Server.Telemetry;

/// <summary>Instruments and traces in the host's OpenTelemetry: its own exporters get them too.</summary>
internal static class TelemetrySetup
{
    // Of engines: audits.
    private const string EngineMeterName = "Kvasir.Engine";

    public static void Add(IServiceCollection services)
    {
        services.AddMetrics();
        services.AddSingleton<RequestMeter>();
        services.AddSingleton<EngineMeter>();
        services.AddSingleton<StoreMeter>();
        services.AddSingleton<RecentAnswers>();
        services.AddSingleton<AnswerTrace>();
        services.AddSingleton<RequestLog>();
        services.AddSingleton<RequestJournal>();
        services.AddSingleton<PrometheusExporter>();
        services.AddOpenTelemetry()
            .WithMetrics(static metrics => metrics.AddMeter(RequestMeter.Name, EngineMeterName))
            .WithTracing(static traces => traces.AddSource(RequestMeter.Name));
        services.ConfigureOpenTelemetryMeterProvider(static (provider, metrics) =>
        {
            // Other hosts of this process have instruments of the same names.
            var own = provider.GetRequiredService<System.Diagnostics.Metrics.IMeterFactory>();
            metrics.AddView(instrument => instrument.Meter.Name == RequestMeter.Name && instrument.Meter.Scope != own ? MetricStreamConfiguration.Drop : null);
            metrics.AddReader(new BaseExportingMetricReader(provider.GetRequiredService<PrometheusExporter>()));
            if (Otlp(provider) is { } exporter)
                metrics.AddReader(new PeriodicExportingMetricReader(new OtlpMetricExporter(exporter)));
        });
        services.ConfigureOpenTelemetryTracerProvider(static (provider, traces) =>
        {
            if (Otlp(provider) is { } exporter)
                traces.AddProcessor(new BatchActivityExportProcessor(new OtlpTraceExporter(exporter)));
        });
    }

    private static OtlpExporterOptions? Otlp(IServiceProvider provider) =>
        provider.GetRequiredService<IOptions<KvasirOptions>>().Value.OtlpEndpoint is { } endpoint ? new OtlpExporterOptions { Endpoint = new Uri(endpoint) }
            : null;
}
